"""What a node told of its models, written down. What polls make of it is tested with the nodes."""

from typing import Any

import pytest
from django.utils import timezone

from orchestration.models import Node, NodeModel, NodeVariant, OllamaModel
from orchestration.ollama.wire import LoadedModel
from orchestration.services import inventory
from tests.services.conftest import MODEL

SIBLING = "pirate:latest"


def listed(name: str = MODEL, **fields: Any) -> LoadedModel:
    kept = {"digest": "", "size_bytes": 3_000, "vram_bytes": 3_000, "context_length": 4096, "expires_at": None}
    return LoadedModel(name=name, **{**kept, **fields})


@pytest.fixture
def sibling(node: Node) -> NodeModel:
    """The same weights under another name."""
    model = OllamaModel.objects.create(name=SIBLING)
    return NodeModel.objects.create(node=node, model=model, size_bytes=2_000_000_500)


def test_a_model_that_shares_memory_stays_as_long_as_the_one_that_is_listed(node: Node, sibling: NodeModel) -> None:
    assert inventory.note_sharing(node, SIBLING, 4096, [listed()]) is not None
    for _ in range(2):
        inventory.record(node, loaded=[listed()])
        sibling.refresh_from_db()
        assert (sibling.loaded, sibling.loaded_context, sibling.vram_bytes) == (True, 4096, 0)
    inventory.record(node, loaded=[])
    sibling.refresh_from_db()
    assert (sibling.loaded, sibling.listed_as) == (False, "")


def test_a_model_that_shared_memory_is_gone_when_that_has_another_context(node: Node, sibling: NodeModel) -> None:
    inventory.note_sharing(node, SIBLING, 4096, [listed()])
    inventory.record(node, loaded=[listed(context_length=8192)])
    sibling.refresh_from_db()
    assert not sibling.loaded


@pytest.mark.parametrize("change", [{"size_bytes": 9_000_000_000}, {"installed": False}])
def test_another_model_shares_nothing(change: dict[str, Any], node: Node, sibling: NodeModel) -> None:
    NodeModel.objects.filter(pk=sibling.pk).update(**change)
    assert inventory.note_sharing(node, SIBLING, 4096, [listed()]) is None


def test_a_context_that_is_not_told_stays_the_one_that_is_known(node: Node) -> None:
    NodeModel.objects.update(loaded=True, loaded_context=8192)
    inventory.record(node, loaded=[listed(context_length=None)])
    assert NodeModel.objects.get().loaded_context == 8192


def test_a_load_is_forgotten_when_the_variant_is_there_no_more(node: Node) -> None:
    variant = NodeVariant.objects.create(node=node, model_name=MODEL, num_ctx=4096, loaded_at=timezone.now())
    inventory.record(node, loaded=[listed()])
    variant.refresh_from_db()
    assert variant.loaded_at is not None
    inventory.record(node, loaded=[listed(context_length=8192)])
    variant.refresh_from_db()
    assert variant.loaded_at is None


def test_what_is_in_main_memory_counts_where_there_is_no_other(node: Node) -> None:
    inventory.record(node, loaded=[listed(vram_bytes=0), listed(SIBLING, vram_bytes=0)])
    assert node.learned_bytes == 6_000
