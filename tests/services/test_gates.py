"""Gates: what a limited or paused run holds is blocked although it is ready."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orchestration.models import Agent, Node, Run
from orchestration.permissions import Actor
from orchestration.policy.states import Gate, RunKind
from orchestration.services import gates
from orchestration.services.specs import TaskSpec
from orchestration.services.submission import RunPlan, submit_run


@pytest.fixture
def limited(agent: Agent, node: Node, as_bob: Actor) -> Any:
    def make(count: int, most: int | None) -> Run:
        specs = [TaskSpec(type="generate", input=f"row {number}") for number in range(count)]
        return submit_run(actor=as_bob, agent=agent, specs=specs, plan=RunPlan(kind=RunKind.BATCH, max_parallel=most))

    return make


def _gates(run: Run) -> list[tuple[str, int]]:
    return list(run.tasks.order_by("position").values_list("status", "gate"))


def test_the_first_tasks_are_let_through_in_their_order(limited: Any) -> None:
    run = limited(3, 2)
    assert _gates(run) == [("pending", Gate.PASSED), ("pending", Gate.PASSED), ("blocked", Gate.HELD)]


def test_there_is_no_gate_without_a_limit(limited: Any) -> None:
    assert _gates(limited(2, None)) == [("pending", Gate.FREE)] * 2


def test_nothing_more_is_let_through_than_the_run_may_have(limited: Any) -> None:
    run = limited(3, 1)
    assert gates.let_through() == []
    Run.objects.filter(pk=run.pk).update(max_parallel=2)
    assert len(gates.let_through()) == 1


def test_a_paused_run_lets_nothing_through(limited: Any) -> None:
    run = limited(3, 1)
    Run.objects.filter(pk=run.pk).update(max_parallel=3, paused_at=timezone.now())
    assert gates.let_through() == []


def test_passes_without_limited_runs_cost_one_statement(limited: Any) -> None:
    limited(3, None)
    with CaptureQueriesContext(connection) as asked:
        gates.let_through()
    assert len(asked) == 1


def test_passes_with_many_limited_runs_cost_as_little_while_nothing_may_start(limited: Any) -> None:
    for _ in range(5):
        limited(1, 2)
    with CaptureQueriesContext(connection) as asked:
        assert gates.let_through() == []
    assert len(asked) == 1
    for _ in range(5):
        limited(2, 1)
    with CaptureQueriesContext(connection) as asked:
        assert gates.let_through() == []
    assert len(asked) == 2


def test_a_back_off_does_not_outlast_a_pause(limited: Any) -> None:
    run = limited(1, None)
    run.tasks.update(not_before=timezone.now())
    run.paused_at = timezone.now()
    gates.regate(run)
    assert list(run.tasks.values_list("status", "gate", "not_before")) == [("blocked", Gate.HELD, None)]
