"""Which targets are met."""

import dataclasses

import pytest

from orchestration.management.lab.metrics import Metrics
from orchestration.management.lab.targets import ALL, TARGETS, verdicts
from orchestration.management.lab.workloads import TITLES

GOOD = Metrics(
    **{field.name: 1.0 for field in dataclasses.fields(Metrics) if field.name != "loads_per_task"}, loads_per_task=0.05
)
BAD = dataclasses.replace(GOOD, response=9.0, end=2.0, high_mean=99.0, loads_per_task=1.0, fairness=0.2)


def test_every_target_names_a_workload_and_a_figure_that_exist():
    assert set(ALL) == set(TITLES)
    for target in TARGETS:
        assert set(target.workloads) <= set(TITLES)
        assert hasattr(GOOD, target.metric)


def test_good_figures_meet_all_and_bad_ones_do_not():
    good = verdicts({name: {"product": GOOD, "peer": BAD} for name in ALL}, "product")
    bad = verdicts({name: {"product": BAD, "peer": GOOD} for name in ALL}, "product")
    assert len(good) == len(TARGETS)
    assert all(verdict.met for verdict in good)
    assert sum(verdict.met for verdict in bad) < len(TARGETS) / 2


def test_the_best_of_the_others_is_the_largest_where_more_is_better():
    found = verdicts({"W7": {"product": GOOD, "one": BAD, "two": dataclasses.replace(BAD, fairness=0.5)}}, "product")
    assert [(verdict.target.metric, verdict.best_peer) for verdict in found] == [("fairness", 0.5)]


def test_the_mean_over_workloads_is_geometric():
    rows = {name: {"product": dataclasses.replace(GOOD, response=8.0 if name == "W1" else 1.0)} for name in ALL}
    first = verdicts(rows, "product")[0]
    assert first.figure == pytest.approx(8 ** (1 / len(ALL)))
