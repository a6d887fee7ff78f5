"""Tasks bound to a node that is removed: what waits fails in words, what has ended stays and may be tried anywhere."""

from collections.abc import Callable

import pytest

from orchestration.models import Agent, AuditEntry, Lane, Node, Run, Task
from orchestration.permissions import Actor
from orchestration.services import nodes, tasks
from orchestration.services.specs import TaskSpec
from orchestration.services.submission import submit
from tests.services.conftest import Give


@pytest.fixture
def other(make_node: Callable[..., Node]) -> Node:
    return make_node("gpu-b")


@pytest.fixture
def pinned(as_bob: Actor, agent: Agent, node: Node, other: Node) -> Run:
    bound = TaskSpec(type="generate", input="one", node_id=node.pk)
    free = TaskSpec(type="generate", input="two")
    return submit(actor=as_bob, agent=agent, specs=[bound, free, bound, bound], sequential=False)


def test_what_only_the_removed_node_might_run_fails_and_says_so(pinned: Run, as_alice: Actor, node: Node) -> None:
    nodes.delete(actor=as_alice, node_id=node.pk)
    states = list(pinned.tasks.order_by("position").values_list("status", flat=True))
    assert states == ["failed", "pending", "failed", "failed"]
    failed = pinned.tasks.filter(status="failed").first()
    assert failed is not None
    assert (failed.error_code, failed.ended_at is not None, failed.duration_seconds is not None) == (
        "node_removed",
        True,
        True,
    )
    assert failed.error == "Only gpu-a might run it, and alice removed that node. Retry it and any node may."
    assert AuditEntry.objects.get(action="node.deleted").detail["failed_tasks"] == 3


def test_what_runs_there_ends_with_the_node(pinned: Run, begin: Give, as_alice: Actor, node: Node) -> None:
    first = pinned.tasks.order_by("position")[0]
    begin(first)
    nodes.delete(actor=as_alice, node_id=node.pk)
    assert Task.objects.get(pk=first.pk).status == "failed"


def test_what_has_ended_is_kept_and_may_be_tried_anywhere(
    pinned: Run, complete: Callable[[Task], None], as_alice: Actor, as_bob: Actor, node: Node
) -> None:
    first, _, third, _ = pinned.tasks.order_by("position")
    complete(first)
    tasks.cancel(actor=as_bob, task_id=third.pk)
    nodes.delete(actor=as_alice, node_id=node.pk)
    assert Task.objects.get(pk=first.pk).status == "completed"
    assert not Lane.objects.filter(node__isnull=False).exists()
    assert tasks.retry(actor=as_bob, task_id=third.pk).lane.node_id is None


def test_a_node_without_pinned_tasks_goes_as_it_always_did(as_alice: Actor, node: Node) -> None:
    nodes.delete(actor=as_alice, node_id=node.pk)
    assert "failed_tasks" not in AuditEntry.objects.get(action="node.deleted").detail
