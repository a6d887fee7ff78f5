"""The forecast for each node, from what is stored of the model and of the nodes."""

from collections.abc import Callable

import pytest

from orchestration.errors import NotFound
from orchestration.models import ModelDetails, Node, NodeModel, NodeVariant, OllamaModel
from orchestration.queries.memory_forecast import memory_forecast

pytestmark = pytest.mark.django_db

MODEL = "llama3.2:latest"
GB = 1_000_000_000


def test_each_node_says_whether_it_fits(make_node: Callable[..., Node]) -> None:
    big = make_node("gpu-a", vram_bytes=24 * GB, slots_per_model=2)
    make_node("gpu-b", models=("other:1b",), loaded=("other:1b",), vram_bytes=4 * GB, slots_per_model=1)
    make_node("gpu-c", models=(), enabled=False)
    NodeVariant.objects.create(node=big, model_name=MODEL, num_ctx=8192, size_bytes=4 * GB)
    found = memory_forecast("llama3.2", 8000)
    assert (found["model"], found["num_ctx"], found["context_length"]) == (MODEL, 8192, None)
    first, second = found["nodes"]
    assert (first["node"], first["total_bytes"], first["basis"]) == ("gpu-a", 4 * GB, "as it was measured")
    assert (first["installed"], first["fits"]) == (True, "fits")
    assert (second["node"], second["installed"], second["fits"]) == ("gpu-b", False, "alone")


def test_a_context_is_cut_to_the_models_own_and_its_metadata_count(node: Node) -> None:
    OllamaModel.objects.update(context_length=6000)
    NodeModel.objects.update(digest="abc")
    shape = {"x.block_count": 10, "x.attention.head_count": 8, "x.embedding_length": 800}
    metadata = {"general.architecture": "x", **shape}
    ModelDetails.objects.create(digest="abc", metadata=metadata, fetched_at="2026-01-01T00:00Z")
    found = memory_forecast(MODEL, 32_000)
    assert found["num_ctx"] == 6000
    assert found["nodes"][0]["cache_bytes"] == 6000 * node.slots_per_model * 10 * 8 * 200 * 2
    assert found["nodes"][0]["basis"] == "from its layers and heads"


def test_a_model_for_embedding_has_one_slot(node: Node) -> None:
    OllamaModel.objects.update(capabilities=["embedding"])
    assert memory_forecast(MODEL)["nodes"][0]["slots"] == 1


def test_of_a_model_that_no_node_has_the_catalogue_knows_the_size(make_node: Callable[..., Node]) -> None:
    make_node("gpu-a", models=(), vram_bytes=24 * GB)
    with pytest.raises(NotFound, match="unheard-of:8b"):
        memory_forecast("unheard-of:8b")
    (node,) = memory_forecast("qwen3:8b")["nodes"]
    assert (node["installed"], node["fits"]) == (False, "fits")
    assert 4 * GB < node["weights_bytes"] < 7 * GB
