"""What is looked at before a node does something with a model."""

from collections.abc import Callable
from typing import Any

import pytest

from orchestration.errors import ModelInUse, NoDiskRoom
from orchestration.models import Agent, Node, NodeModel, OllamaModel, Task
from orchestration.permissions import Actor
from orchestration.policy.states import ErrandType
from orchestration.services import errands

HERE, LARGE = "llama3.2:latest", "llama3.1:70b"
GB = 1_000_000_000


def ask(actor: Actor, type: ErrandType, model: str, *nodes: Node, **parameters: Any) -> None:
    ids = [node.pk for node in nodes] or None
    errands.submit(actor=actor, type=type, models=[model], node_ids=ids, parameters=parameters)


@pytest.fixture
def small(make_node: Callable[..., Node]) -> Node:
    """Half of its disk is taken."""
    node = make_node("gpu-a", disk_bytes=50 * GB)
    NodeModel.objects.filter(node=node).update(size_bytes=25 * GB)
    OllamaModel.objects.create(name=LARGE, size_bytes=43 * GB)
    return node


def test_a_disk_that_is_too_small_is_told_with_the_figures(as_alice: Actor, small: Node) -> None:
    with pytest.raises(NoDiskRoom) as refused:
        ask(as_alice, ErrandType.PULL, LARGE)
    assert refused.value.message == (
        "gpu-a has room for 25.0 GB more: about 25.0 GB of 50.0 GB are taken, and llama3.1:70b takes about 43.0 GB. "
        "Delete something there, or force it."
    )


def test_who_insists_pulls_all_the_same_and_so_does_who_has_it_already(as_alice: Actor, small: Node) -> None:
    ask(as_alice, ErrandType.PULL, LARGE, force=True)
    ask(as_alice, ErrandType.PULL, HERE)
    assert Task.objects.count() == 2


def test_what_is_on_its_way_takes_room_too(as_alice: Actor, small: Node) -> None:
    OllamaModel.objects.create(name="half:latest", size_bytes=20 * GB)
    OllamaModel.objects.create(name="other:latest", size_bytes=20 * GB)
    ask(as_alice, ErrandType.PULL, "half")
    with pytest.raises(NoDiskRoom):
        ask(as_alice, ErrandType.PULL, "other")


def test_where_nobody_said_how_large_a_disk_is_nothing_is_refused(as_alice: Actor, small: Node) -> None:
    Node.objects.update(disk_bytes=None)
    ask(as_alice, ErrandType.PULL, LARGE)
    assert Task.objects.exists()


def test_a_model_that_others_use_is_not_deleted_before_somebody_insists(
    as_alice: Actor, node: Node, make_agent: Callable[..., Agent]
) -> None:
    make_agent("writer", models=[HERE])
    with pytest.raises(ModelInUse, match=r"llama3\.2:latest is used by agent writer \(its only model\)") as refused:
        ask(as_alice, ErrandType.DELETE, HERE)
    assert [each["name"] for each in refused.value.detail["dependents"]] == ["writer"]
    ask(as_alice, ErrandType.DELETE, HERE, force=True)
    assert Task.objects.exists()


def test_a_model_that_another_node_still_has_is_missed_by_nobody(
    as_alice: Actor, make_node: Callable[..., Node], make_agent: Callable[..., Agent]
) -> None:
    first, _ = make_node("gpu-a"), make_node("gpu-b")
    make_agent("writer", models=[HERE])
    ask(as_alice, ErrandType.DELETE, HERE, first)
    with pytest.raises(ModelInUse):
        ask(as_alice, ErrandType.DELETE, HERE)


def test_a_model_that_is_running_is_not_deleted(
    as_alice: Actor, node: Node, submitted_task: Task, begin: Callable[..., Any]
) -> None:
    begin(submitted_task)
    with pytest.raises(ModelInUse, match=r"gpu-a is running llama3\.2:latest now"):
        ask(as_alice, ErrandType.DELETE, HERE, node)
