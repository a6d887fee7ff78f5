"""How long a load took, told to those alone who asked before it."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from orchestration.models import Node, NodeVariant, Task
from orchestration.queries.loading import loaded_since

MODEL = "llama3.2:latest"
SECOND = timedelta(seconds=1)


@pytest.fixture
def task(make_task: Callable[..., Task]) -> Task:
    return make_task("running")


@pytest.fixture
def loaded(node: Node, task: Task) -> NodeVariant:
    """A second after the task was asked for."""
    at = task.created_at + SECOND
    return NodeVariant.objects.create(
        node=node, model_name=MODEL, num_ctx=4096, loaded_at=at, load_seconds=9.0, last_load_seconds=7.5
    )


def test_a_load_after_the_asking_says_how_long_it_took_itself(task: Task, node: Node, loaded: NodeVariant) -> None:
    assert loaded_since(task.pk, node.pk, MODEL, 4096) == 7.5


def test_what_was_there_before_was_not_loaded_for_it(task: Task, node: Node, loaded: NodeVariant) -> None:
    NodeVariant.objects.update(loaded_at=task.created_at - SECOND)
    assert loaded_since(task.pk, node.pk, MODEL, 4096) is None


def test_what_has_left_the_memory_since_is_not_told(task: Task, node: Node, loaded: NodeVariant) -> None:
    NodeVariant.objects.update(loaded_at=None)
    assert loaded_since(task.pk, node.pk, MODEL, 4096) is None


def test_another_node_model_or_context_is_another_load(
    task: Task, node: Node, loaded: NodeVariant, make_node: Callable[..., Node]
) -> None:
    assert loaded_since(task.pk, make_node("gpu-b").pk, MODEL, 4096) is None
    assert loaded_since(task.pk, node.pk, "qwen3:8b", 4096) is None
    assert loaded_since(task.pk, node.pk, MODEL, 8192) is None


def test_of_a_task_that_is_gone_nothing_is_known(task: Task, node: Node, loaded: NodeVariant) -> None:
    assert loaded_since(task.pk + 1, node.pk, MODEL, 4096) is None
