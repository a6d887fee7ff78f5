"""The figures of a run."""

import dataclasses
import math

import pytest

from orchestration.management.lab.metrics import fair_shares, fairness, mean_of, measure, percentile
from orchestration.management.lab.peers import PEERS
from orchestration.management.lab.simulation import Simulation
from orchestration.management.lab.work import LabTask
from orchestration.management.lab.workloads import workloads


def ended(number, user, at):
    task = LabTask(
        id=number, born=0, models=("a",), output_tokens=10, prompt_work=0, user=user, priority=1, workflow_at=0
    )
    task.ended = at
    return task


@pytest.fixture
def figures():
    workload = workloads(0.05)["W4"]
    return measure(Simulation(workload, PEERS["least-connections"](), 1).run(), workload)


def test_a_run_that_ended_has_figures_beside_bounds(figures):
    assert figures.done == 1
    assert figures.end >= 1
    assert figures.response >= 1
    assert figures.loads > 0
    assert figures.workflow > 0


def test_a_class_without_tasks_has_no_waits():
    workload = workloads(0.05)["W6"]
    found = measure(Simulation(workload, PEERS["least-connections"](), 1).run(), workload)
    assert math.isnan(found.high_mean)
    assert math.isnan(found.low_p99)
    assert math.isnan(found.workflow)
    assert found.normal_p99 >= found.normal_mean


def test_turns_are_fair_and_one_after_the_other_is_not():
    in_turn = [ended(number, "alice" if number % 2 else "bob", number) for number in range(100)]
    one_first = [ended(number, "alice" if number < 50 else "bob", number) for number in range(100)]
    assert fairness(in_turn) > 0.99
    assert fairness(one_first) < 0.9


def test_nobody_is_owed_more_than_he_wants():
    assert fair_shares({"alice": 100.0, "bob": 10.0}, 60) == {"bob": 10, "alice": 50}


def test_percentiles_are_values_that_were_seen():
    assert percentile(range(200), 0.99) == 198
    assert math.isnan(percentile([], 0.5))


def test_the_mean_of_several_runs_is_taken_figure_by_figure(figures):
    half = dataclasses.replace(figures, loads=figures.loads / 2)
    mean = mean_of([figures, half])
    assert (mean.loads, mean.response) == (figures.loads * 0.75, figures.response)
