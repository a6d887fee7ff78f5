"""Models that people want to stay in memory."""

from collections.abc import Callable

import pytest

from orchestration.errors import InvalidInput, NotAllowed, Unprocessable
from orchestration.models import AuditEntry, Node, NodeModel, Task
from orchestration.permissions import Actor
from orchestration.services import model_pins

HERE = "llama3.2:latest"


def test_a_pinned_model_says_who_wants_it_and_with_which_context(as_alice: Actor, node: Node) -> None:
    row = model_pins.set_pinned(actor=as_alice, node_id=node.pk, model="llama3.2", pinned=True, num_ctx=6000)
    assert (row.pinned, row.pinned_context, row.pinned_by) == (True, 8192, "alice")
    assert AuditEntry.objects.get(action="model.pinned").detail == {"num_ctx": 8192}
    row = model_pins.set_pinned(actor=as_alice, node_id=node.pk, model=HERE, pinned=False)
    assert (row.pinned, row.pinned_context, row.pinned_by) == (False, None, "")


def test_what_is_in_memory_is_told_that_it_stays_without_being_loaded_anew(
    as_alice: Actor, make_node: Callable[..., Node]
) -> None:
    node = make_node("gpu-a", loaded=(HERE,))
    NodeModel.objects.filter(node=node).update(loaded_context=16384)
    model_pins.set_pinned(actor=as_alice, node_id=node.pk, model=HERE, pinned=True)
    task = Task.objects.select_related("lane").get()
    assert (task.type, task.lane.num_ctx, task.lane.node_id) == ("load", 16384, node.pk)


def test_pinning_twice_changes_nothing(as_alice: Actor, node: Node) -> None:
    for _ in range(2):
        model_pins.set_pinned(actor=as_alice, node_id=node.pk, model=HERE, pinned=True)
    assert AuditEntry.objects.filter(action="model.pinned").count() == 1
    assert Task.objects.count() <= 1


def test_a_model_that_is_not_there_cannot_be_pinned(as_alice: Actor, node: Node) -> None:
    with pytest.raises(Unprocessable, match=r"gpu-a has no qwen3:8b on its disk"):
        model_pins.set_pinned(actor=as_alice, node_id=node.pk, model="qwen3:8b", pinned=True)
    with pytest.raises(InvalidInput):
        model_pins.set_pinned(actor=as_alice, node_id=node.pk, model=HERE, pinned=True, num_ctx=10**9)


def test_only_maintainers_pin(as_bob: Actor, node: Node) -> None:
    with pytest.raises(NotAllowed):
        model_pins.set_pinned(actor=as_bob, node_id=node.pk, model=HERE, pinned=True)
