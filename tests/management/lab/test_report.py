"""Tables and JSON tell the same figures."""

import dataclasses
import json

import pytest

from orchestration.management.lab import report
from orchestration.management.lab.runs import by_workload
from orchestration.management.lab.targets import verdicts


@pytest.fixture(scope="module")
def results():
    return dict(by_workload(["W6", "W7"], ["round-robin", "llama-swap-like"], seeds=1, scale=0.05, processes=1))


def test_a_workload_has_a_line_for_each_scheduler_under_two_of_headings(results):
    title, *heads, first, second = report.workload_table("W6", results["W6"])
    assert title.startswith("W6: eight models")
    assert {len(line) for line in [*heads, first, second]} == {len(first)}
    assert second.split()[0] == "llama-swap-like"
    assert first.split()[2] == f"{results['W6']['round-robin'].response:.2f}"


def test_what_did_not_end_is_said():
    rows = dict(by_workload(["W7"], ["round-robin"], seeds=1, scale=0.02, processes=1))["W7"]
    unfinished = {"round-robin": dataclasses.replace(rows["round-robin"], done=0.9)}
    assert list(report.workload_table("W7", unfinished))[-1].endswith("10% did not end")


def test_summaries_end_with_the_geometric_mean(results):
    lines = list(report.summary_tables(results))
    values = [results[name]["round-robin"].response for name in ("W6", "W7")]
    assert float(lines[2].split()[-1]) == pytest.approx((values[0] * values[1]) ** 0.5, abs=0.006)


def test_targets_say_whether_they_are_met(results):
    lines = list(report.target_table(verdicts(results, "llama-swap-like")))
    assert [line.split()[0] for line in lines[1:]] == ["loads", "fairness,"]
    assert all(line.endswith("met") for line in lines[1:])


def test_json_has_no_number_that_is_none(results):
    document = report.as_json(results, verdicts(results, "llama-swap-like"), seeds=1)
    text = json.dumps(document, allow_nan=False)
    assert json.loads(text)["workloads"]["W6"]["round-robin"]["high_mean"] is None
    assert {target["what"] for target in document["targets"]} == {"loads per task, W6", "fairness, W7"}
