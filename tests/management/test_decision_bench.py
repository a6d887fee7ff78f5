"""The cost of a decision, measured small: on rows like the product's own, with runs and loads that end."""

import pytest

from orchestration.management import decision_bench
from orchestration.management.decision_bench import Fleet
from orchestration.models import Lane, Node, NodeModel, Task

SMALL = Fleet(models=3, nodes=2, users=4)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("redis_server")
def test_three_decisions_over_fifty_waiting_tasks_are_measured(monkeypatch):
    monkeypatch.setattr(decision_bench, "WARM_UP", 1)
    cost = decision_bench.measure(50, 3, SMALL)
    assert (cost.pending, cost.decisions) == (50, 3)
    assert 0 < cost.p50 <= cost.p99
    assert cost.granted > 0
    assert Task.objects.count() == 50


@pytest.mark.django_db
def test_nodes_hold_two_models_each_and_know_all():
    decision_bench.build(SMALL)
    assert Node.objects.count() == 2
    assert NodeModel.objects.count() == 6
    assert NodeModel.objects.filter(loaded=True).count() == 4
    decision_bench.fill(20, SMALL, decision_bench.timezone.now())
    assert Lane.objects.count() == 3
    assert set(Task.objects.values_list("status", flat=True)) == {"pending"}
