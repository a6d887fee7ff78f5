"""Errands as the scheduler sees them in its pass."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from orchestration.engine import errand_grants
from orchestration.engine.view import fleet_view
from orchestration.models import Node, Pause, Task
from orchestration.permissions import Actor
from orchestration.policy.decision import Waits
from orchestration.policy.errands import ErrandDecision
from orchestration.policy.states import ErrandType
from orchestration.services import errands, processes

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]

HERE = "llama3.2:latest"


@pytest.fixture
def worker() -> None:
    now = timezone.now()
    kept = {"hostname": "h", "pid": 1, "in_use": 0, "stopping": False, "started_at": now, "now": now}
    processes.worker_beat(name="w1", capacity=9, **kept)


def ask(actor: Actor, type: ErrandType, node: Node, **parameters: Any) -> Task:
    return errands.order(actor=actor, type=type, places=[(HERE, node.pk)], parameters=parameters).tasks[0]


def decided(*, redis_answers: bool = True) -> ErrandDecision:
    return errand_grants.decided(fleet_view(timezone.now()), redis_answers=redis_answers)


def code(decision: ErrandDecision) -> list[str]:
    return [str(waits.code) for waits in decision.waiting.values()]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"enabled": False}, "gpu-a is disabled"),
        ({"health": "unknown"}, "gpu-a has not answered yet"),
        ({"health": "unhealthy", "health_reason": "no answer"}, "gpu-a offline: no answer"),
        ({"failures": 1}, "gpu-a did not answer just now; it is asked again"),
    ],
)
def test_a_node_that_can_do_nothing_now_says_why(
    fields: dict[str, Any], words: str, worker: None, as_alice: Actor, make_node: Callable[..., Node]
) -> None:
    ask(as_alice, ErrandType.PULL, make_node("gpu-a", **fields))
    decision = decided()
    assert not decision.grants
    assert [waits.words for waits in decision.waiting.values()] == [words]


def test_a_draining_node_is_tidied_and_the_reason_says_so(
    worker: None, as_alice: Actor, make_node: Callable[..., Node]
) -> None:
    task = ask(as_alice, ErrandType.PULL, make_node("gpu-a", draining=True))
    (grant,) = decided().grants
    assert (grant.task_id, "is draining" in grant.reason) == (task.pk, True)


def test_nothing_is_granted_while_no_worker_can_be_told(worker: None, as_alice: Actor, node: Node) -> None:
    ask(as_alice, ErrandType.PULL, node)
    decision = decided(redis_answers=False)
    assert (decision.grants, code(decision)) == ([], [Waits.REDIS_AWAY])


def test_a_paused_class_starts_none_but_the_others_of_the_lane_may(worker: None, as_alice: Actor, node: Node) -> None:
    first = ask(as_alice, ErrandType.PULL, node)
    Pause.objects.create(kind="priority", key="1", paused_by_name="alice", paused_at=timezone.now())
    assert code(decided()) == [Waits.PAUSED]
    Task.objects.filter(pk=first.pk).update(priority=2)
    assert [grant.task_id for grant in decided().grants] == [first.pk]


def test_what_is_about_to_be_deleted_serves_nothing_more(worker: None, as_alice: Actor, node: Node) -> None:
    ask(as_alice, ErrandType.DELETE, node)
    view = fleet_view(timezone.now())
    left = errand_grants.beside(view, errand_grants.decided(view, redis_answers=True))
    assert (left.nodes[0].installed, left.worker_room) == (frozenset(), view.worker_room - 1)
    assert errand_grants.beside(view, ErrandDecision()) is view
