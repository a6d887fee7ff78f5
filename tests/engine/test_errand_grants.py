"""Errands that wait, as a pass finds them: which may start now, in what order, and why the others may not."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from orchestration.engine.errand_grants import beside, decided
from orchestration.engine.view import fleet_view
from orchestration.models import Attempt, Node, NodeModel, Pause, Task
from orchestration.permissions import Actor
from orchestration.policy.decision import Grant, Waiting, Waits
from orchestration.policy.errands import ErrandDecision
from orchestration.policy.fleet import FleetView
from orchestration.policy.states import ErrandType, NodeHealth
from orchestration.services import errands, grants, processes

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]

HERE, NEW = "llama3.2:latest", "qwen3:8b"
Ask = Callable[..., Task]


@pytest.fixture
def ask(as_alice: Actor, node: Node) -> Ask:
    """One errand; the fields are its task's from then on."""

    def asked(type: ErrandType, model: str = HERE, to: Node = node, force: bool = False, **fields: Any) -> Task:
        given = {"force": True} if force else {}
        (task,) = errands.order(actor=as_alice, type=type, places=[(model, to.pk)], parameters=given).tasks
        Task.objects.filter(pk=task.pk).update(**fields)
        return task

    return asked


def worker(capacity: int = 10) -> None:
    now = timezone.now()
    kept = {"hostname": "h", "pid": 1, "in_use": 0, "started_at": now, "now": now}
    processes.worker_beat(name="w1", capacity=capacity, stopping=False, **kept)


def view() -> FleetView:
    return fleet_view(timezone.now())


def decide() -> ErrandDecision:
    return decided(view(), redis_answers=True)


def granted(decision: ErrandDecision) -> list[int]:
    return [grant.task_id for grant in decision.grants]


def why(decision: ErrandDecision, task: Task) -> Waiting:
    return decision.waiting[task.lane_id]


def begin(task: Task, *, model: str = HERE, num_ctx: int = 0) -> Attempt:
    given = Grant(task_id=task.pk, node_id=Node.objects.get().pk, model=model, num_ctx=num_ctx, slot=0, reason="test")
    (job,) = grants.assign(grants=[given], now=timezone.now())
    return Attempt.objects.get(pk=job.attempt_id)


def test_what_may_start_is_granted_at_its_node_and_holds_no_slot(ask: Ask, node: Node) -> None:
    worker()
    task = ask(ErrandType.PULL, NEW)
    decision = decide()
    (grant,) = decision.grants
    assert (grant.task_id, grant.node_id, grant.model, grant.num_ctx, grant.slot) == (task.pk, node.pk, NEW, 0, 0)
    assert (decision.waiting, decision.leaving) == ({}, [])


def test_the_most_urgent_come_first_and_then_those_who_stood_in_line_first(ask: Ask, settings: Any) -> None:
    worker()
    settings.DROVER_PULLS_PER_NODE = 9
    now = timezone.now()
    late = ask(ErrandType.PULL, "late:1b", line_at=now)
    early = ask(ErrandType.PULL, "early:1b", line_at=now - timedelta(hours=1))
    urgent = ask(ErrandType.PULL, "urgent:1b", priority=0, line_at=now)
    low = ask(ErrandType.PULL, "low:1b", priority=2, line_at=now - timedelta(hours=2))
    assert granted(decide()) == [urgent.pk, early.pk, late.pk, low.pk]


def test_only_so_many_start_as_workers_have_room_for(ask: Ask) -> None:
    first, second = ask(ErrandType.UNLOAD), ask(ErrandType.PULL, NEW)
    assert why(decide(), first).code == Waits.NO_WORKER
    worker(capacity=1)
    decision = decide()
    assert granted(decision) == [first.pk]
    assert why(decision, second).code == Waits.WORKERS_FULL


def test_what_is_under_way_counts_until_it_has_ended(ask: Ask, settings: Any) -> None:
    worker()
    settings.DROVER_PULLS_PER_NODE = 1
    attempt = begin(ask(ErrandType.PULL, "first:1b"), model="first:1b")
    second = ask(ErrandType.PULL, NEW)
    decision = decide()
    assert granted(decision) == []
    assert "pulling 1 models already" in why(decision, second).words
    Attempt.objects.filter(pk=attempt.pk).update(ended_at=timezone.now())
    assert granted(decide()) == [second.pk]


def test_what_was_given_back_for_later_is_not_taken_before(ask: Ask) -> None:
    worker()
    ask(ErrandType.PULL, NEW, not_before=timezone.now() + timedelta(hours=1))
    assert decide() == ErrandDecision()


def test_nothing_starts_while_redis_does_not_answer_and_that_is_said(ask: Ask) -> None:
    worker()
    task = ask(ErrandType.PULL, NEW)
    decision = decided(view(), redis_answers=False)
    assert (decision.grants, why(decision, task).code) == ([], Waits.REDIS_AWAY)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"enabled": False}, "gpu-a is disabled"),
        ({"health": NodeHealth.UNKNOWN}, "gpu-a has not answered yet"),
        ({"health": NodeHealth.UNHEALTHY, "health_reason": "connection refused"}, "gpu-a offline: connection refused"),
        ({"failures": 1}, "gpu-a did not answer just now; it is asked again"),
    ],
)
def test_a_node_that_cannot_be_asked_is_waited_for_with_the_reason(
    ask: Ask, fields: dict[str, Any], words: str
) -> None:
    worker()
    task = ask(ErrandType.PULL, NEW)
    Node.objects.update(**fields)
    decision = decide()
    waiting = why(decision, task)
    assert (decision.grants, waiting.code, waiting.words) == ([], Waits.NODE_UNAVAILABLE, words)


def test_since_when_a_node_is_away_is_told_where_it_is_known(ask: Ask) -> None:
    at = timezone.now().replace(hour=7, minute=5)
    task = ask(ErrandType.PULL, NEW)
    Node.objects.update(health=NodeHealth.UNHEALTHY, health_reason="timed out", health_changed_at=at)
    assert why(decide(), task).words == "gpu-a offline since 07:05 UTC: timed out"


def test_one_node_that_is_away_keeps_nothing_from_another(ask: Ask, make_node: Callable[..., Node]) -> None:
    worker()
    away = ask(ErrandType.PULL, NEW)
    Node.objects.update(enabled=False)
    other = ask(ErrandType.PULL, NEW, to=make_node("gpu-b"))
    decision = decide()
    assert (granted(decision), list(decision.waiting)) == ([other.pk], [away.lane_id])


def test_a_draining_node_may_be_tidied_and_the_reason_says_that_it_drains(ask: Ask) -> None:
    worker()
    task = ask(ErrandType.UNLOAD)
    Node.objects.update(draining=True)
    (grant,) = decide().grants
    assert grant.task_id == task.pk
    assert "gpu-a is draining" in grant.reason


def test_what_is_paused_waits_as_paused_and_other_priorities_go_on(ask: Ask) -> None:
    worker()
    Pause.objects.create(kind="priority", key="1", paused_by_name="alice", paused_at=timezone.now())
    paused, urgent = ask(ErrandType.PULL, NEW), ask(ErrandType.UNLOAD, priority=0)
    decision = decide()
    assert granted(decision) == [urgent.pk]
    assert why(decision, paused).code == Waits.PAUSED
    assert "alice" in why(decision, paused).words


def test_of_one_lane_the_priorities_that_are_not_paused_go_on(ask: Ask) -> None:
    worker()
    Pause.objects.create(kind="priority", key="1", paused_by_name="alice", paused_at=timezone.now())
    paused = ask(ErrandType.PULL, NEW)
    assert why(decide(), paused).code == Waits.PAUSED
    Task.objects.filter(pk=paused.pk).update(priority=2)
    assert granted(decide()) == [paused.pk]


def test_a_delete_waits_for_what_runs_unless_it_is_forced(ask: Ask, submitted_task: Task) -> None:
    worker()
    attempt = begin(submitted_task, num_ctx=4096)
    task = ask(ErrandType.DELETE, force=True)
    assert granted(decide()) == [task.pk]
    Task.objects.filter(pk=task.pk).update(parameters={})
    decision = decide()
    assert (granted(decision), why(decision, task).code) == ([], Waits.BUSY)
    Attempt.objects.filter(pk=attempt.pk).update(ended_at=timezone.now())
    assert granted(decide()) == [task.pk]


def test_tasks_begin_nothing_with_a_model_that_is_about_to_be_deleted(
    ask: Ask, node: Node, make_node: Callable[..., Node]
) -> None:
    worker()
    make_node("gpu-b")
    NodeModel.objects.update(loaded=False)
    ask(ErrandType.DELETE)
    before = view()
    after = beside(before, decided(before, redis_answers=True))
    installed = {found.name: found.installed for found in after.nodes}
    assert HERE not in installed["gpu-a"]
    assert HERE in installed["gpu-b"]


def test_what_errands_take_of_the_workers_is_not_there_for_tasks(ask: Ask) -> None:
    worker()
    ask(ErrandType.UNLOAD)
    ask(ErrandType.PULL, NEW)
    before = view()
    after = beside(before, decided(before, redis_answers=True))
    assert (before.worker_room, after.worker_room) == (10, 8)
    assert HERE in after.nodes[0].installed
    assert beside(before, ErrandDecision()) is before
