"""What the front of a line says of where its tasks failed."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from orchestration.engine.backlog import heads_of, waiting_lanes
from orchestration.models import Lane, Node, Task
from orchestration.policy.fleet import Head

pytestmark = pytest.mark.usefixtures("redis_server")


@pytest.fixture
def only_head(submitted_task: Task, node: Node) -> Callable[..., Head]:
    def look(**fields: Any) -> Head:
        Task.objects.update(ready_at=timezone.now(), node=node, error_code="stream_failed", **fields)
        (head,) = heads_of({})(submitted_task.lane_id, submitted_task.priority, 5)
        return head

    return look


@pytest.mark.parametrize(
    ("tries", "most", "insists"), [(1, 3, False), (2, 3, True), (1, 2, True), (2, 9, True), (1, 9, False)]
)
def test_who_failed_twice_or_has_one_try_left_insists_on_another_node(
    only_head: Callable[..., Head], node: Node, tries: int, most: int, insists: bool
) -> None:
    head = only_head(tries=tries, max_tries=most)
    assert (head.avoid, head.insists) == (node.pk, insists)


def test_who_was_only_pushed_back_avoids_nothing(only_head: Callable[..., Head], submitted_task: Task) -> None:
    only_head(tries=2)
    Task.objects.update(error_code="", node=None)
    (head,) = heads_of({})(submitted_task.lane_id, submitted_task.priority, 5)
    assert (head.avoid, head.insists) == (None, False)


def test_the_node_that_a_task_would_like_is_read_with_the_heads(only_head: Callable[..., Head], node: Node) -> None:
    assert only_head(prefer_node_id=node.pk).prefer == node.pk
    assert only_head(prefer_node_id=None).prefer is None


def test_a_lane_of_pinned_tasks_names_its_node(submitted_task: Task, node: Node) -> None:
    (lane,) = waiting_lanes({})
    assert lane.node is None
    Lane.objects.update(node=node)
    (lane,) = waiting_lanes({})
    assert lane.node == node.pk
