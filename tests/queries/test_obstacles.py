"""What the nodes that have a model hold, run and load."""

from collections.abc import Callable
from typing import Any

from django.utils import timezone

from orchestration.models import Attempt, LoadPlan, Node, NodeVariant
from orchestration.queries import obstacles
from tests.queries.conftest import Make

LLAMA, QWEN = "llama3.2:latest", "qwen3:8b"


def test_nodes_that_have_the_model_are_shown_with_what_they_hold_and_run(
    make_node: Callable[..., Node], make_task: Make
) -> None:
    node = make_node("gpu-a", models=(LLAMA, QWEN), loaded=(QWEN,))
    make_node("gpu-b", models=(QWEN,), loaded=(QWEN,))
    now = timezone.now()
    Attempt.objects.create(
        task=make_task("running"), number=1, node=node, node_name="gpu-a", model_name=QWEN, num_ctx=4096, slot=0,
        token="t", queue="normal", granted_at=now, lease_until=now,
    )  # fmt: skip
    NodeVariant.objects.create(node=node, model_name=QWEN, num_ctx=4096, slots=2)
    (found,) = obstacles([LLAMA])
    assert (found["node"], found["status"], found["plan"]) == ("gpu-a", "healthy", None)
    assert found["holds"] == [{"name": QWEN, "running": 1, "slots": 2, "wanted": False}]


def test_what_a_node_is_committed_to_load_is_told(make_node: Callable[..., Node]) -> None:
    node = make_node("gpu-a", models=(LLAMA,), loaded=(LLAMA,))
    LoadPlan.objects.create(
        node=node, model_name=LLAMA, num_ctx=8192, victims=[[LLAMA, 4096]], planned_at=timezone.now(), token="t"
    )
    (found,) = obstacles([LLAMA])
    assert found["plan"] is not None
    assert (found["plan"]["model"], found["plan"]["state"]) == (LLAMA, "making_room")
    assert found["holds"][0]["wanted"]


def test_many_nodes_cost_as_many_queries_as_one(
    make_node: Callable[..., Node], django_assert_max_num_queries: Any
) -> None:
    for number in range(4):
        make_node(f"gpu-{number}", models=(LLAMA, QWEN), loaded=(LLAMA, QWEN))
    with django_assert_max_num_queries(5):
        assert len(obstacles([LLAMA, QWEN])) == 4


def test_only_the_node_that_may_run_it_is_in_the_way(make_node: Callable[..., Node]) -> None:
    make_node("gpu-a", models=(LLAMA,))
    other = make_node("gpu-b", models=(LLAMA,))
    assert [it["node"] for it in obstacles([LLAMA], only=other.pk)] == ["gpu-b"]
