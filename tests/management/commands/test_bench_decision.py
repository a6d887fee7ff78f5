"""How the cost of a decision is told, and that measuring it leaves no trace."""

import os
import subprocess
import sys
from contextlib import nullcontext
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from orchestration.management.commands import bench_decision
from orchestration.management.decision_bench import Cost


@pytest.fixture
def pretended(monkeypatch):
    """A decision takes a millisecond for each thousand tasks."""

    def measure(size, decisions, fleet):
        cost = size / 1000
        return Cost(pending=size, decisions=decisions, mean=cost, p50=cost, p99=cost, granted=7)

    monkeypatch.setattr(bench_decision, "measure", measure)
    monkeypatch.setattr(bench_decision, "own_redis", nullcontext)
    monkeypatch.setattr(bench_decision, "own_database", nullcontext)


@pytest.mark.parametrize(("most", "verdict"), [("20000", "met"), ("50000", "not met")])
def test_growth_and_the_target_are_printed(pretended, most, verdict):
    out = StringIO()
    call_command("bench_decision", "--pending", f"1000,{most}", stdout=out)
    lines = out.getvalue().splitlines()
    assert lines[2].split() == ["1,000", "1.0", "1.0", "1.0", "7"]
    assert lines[-2].endswith(f": {int(most) / 1000:.2f}")
    assert lines[-1].endswith(f"at most 25 ms: {verdict}")


def test_nothing_to_measure_is_an_error():
    with pytest.raises(CommandError, match="--pending"):
        call_command("bench_decision", "--pending", "0")


@pytest.mark.processes
def test_a_real_run_has_a_database_and_a_redis_of_its_own(tmp_path):
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "bench_decision"]
    options = ["--pending", "20", "--decisions", "2", "--models", "2", "--nodes", "1", "--users", "2"]
    inherited = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    env = {**inherited, "DROVER_DATA": str(tmp_path), "REDIS_URL": f"unix://{tmp_path}/nobody.sock"}
    done = subprocess.run([*command, *options], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "p99 at 20 at most 25 ms" in done.stdout
    assert not (tmp_path / "drover.sqlite3").exists()
