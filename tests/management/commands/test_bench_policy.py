"""The laboratory's command."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command


def bench(*arguments):
    out = StringIO()
    call_command("bench_policy", "--seeds", "1", "--scale", "0.02", "--processes", "1", *arguments, stdout=out)
    return out.getvalue()


def test_tables_are_printed_and_written(tmp_path):
    path = tmp_path / "figures.json"
    text = bench("--only", "W1,W7", "--policies", "round-robin,rq-workers", "--json", str(path))
    assert "W7: one user dumps 800 tasks" in text
    assert "4 runs in" in text
    document = json.loads(path.read_text(encoding="utf-8"))
    assert set(document["workloads"]["W1"]) == {"round-robin", "rq-workers"}
    assert (document["seeds"], document["scale"]) == (1, 0.02)


def test_drovers_own_policy_is_held_against_its_targets():
    text = bench("--only", "W7", "--policies", "product,round-robin")
    assert any(line.startswith("fairness, W7") and line.endswith("met") for line in text.splitlines())


def test_without_drovers_own_policy_there_are_no_targets():
    assert "wanted" not in bench("--only", "W7", "--policies", "round-robin")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--only", "W99"], "no workload 'W99'"),
        (["--policies", "wishes"], "no policy 'wishes'"),
        (["--seeds", "0"], "--seeds"),
    ],
)
def test_what_does_not_exist_is_refused(arguments, words):
    with pytest.raises(CommandError, match=words):
        bench(*arguments)
