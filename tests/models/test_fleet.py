"""Nodes, their models and what the team decided: one row for each, sizes of any amount."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError

from orchestration.models import ModelConfig, Node, NodeModel, OllamaModel
from tests.models.conftest import MakeTask, Refused


@pytest.mark.parametrize(
    "taken", [{"name": "gpu-a", "base_url": "http://other"}, {"name": "other", "base_url": "http://gpu-a.test:11434"}]
)
def test_a_node_has_a_name_and_an_address_of_its_own(node: Node, refused: Refused, taken: dict[str, str]) -> None:
    with refused():
        Node.objects.create(**taken)
    Node.objects.create(name="other", base_url="http://other")


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("draining", [True, False])
@pytest.mark.parametrize("health", ["unknown", "healthy", "unhealthy"])
def test_work_goes_to_nodes_that_are_enabled_and_healthy_and_not_draining(
    enabled: bool, draining: bool, health: str
) -> None:
    node = Node(enabled=enabled, draining=draining, health=health)
    assert node.takes_work == ((enabled, draining, health) == (True, False, "healthy"))


def test_a_new_node_takes_no_work_before_it_was_seen() -> None:
    assert not Node(name="gpu-a", base_url="http://gpu-a").takes_work


def test_a_model_is_on_a_node_once(node: Node, refused: Refused) -> None:
    model = OllamaModel.objects.get()
    with refused():
        NodeModel.objects.create(node=node, model=model)
    assert str(NodeModel.objects.get()) == "llama3.2:latest on gpu-a"


def test_a_model_may_be_on_many_nodes_under_one_name(make_node: Callable[..., Node], refused: Refused) -> None:
    make_node("gpu-a")
    make_node("gpu-b")
    assert NodeModel.objects.filter(model=OllamaModel.objects.get()).count() == 2
    with refused():
        OllamaModel.objects.create(name="llama3.2:latest")


def test_a_removed_node_takes_its_list_of_models_but_neither_tasks_nor_models(node: Node, make_task: MakeTask) -> None:
    task = make_task("completed", node=node, node_name=node.name)
    node.delete()
    task.refresh_from_db()
    assert (task.node_id, task.node_name) == (None, "gpu-a")
    assert not NodeModel.objects.exists()
    assert OllamaModel.objects.exists()


def test_sizes_may_be_larger_than_four_gigabytes(node: Node) -> None:
    size = 800_000_000_000
    Node.objects.update(vram_bytes=size)
    OllamaModel.objects.update(size_bytes=size)
    NodeModel.objects.update(size_bytes=size, loaded_bytes=size, vram_bytes=size)
    row = NodeModel.objects.select_related("node", "model").get()
    sizes = (row.size_bytes, row.loaded_bytes, row.vram_bytes, row.node.vram_bytes, row.model.size_bytes)
    assert set(sizes) == {size}


def test_what_ollama_did_not_tell_is_unknown(db: None) -> None:
    node = Node.objects.create(name="new", base_url="http://new")
    assert (node.health, node.vram_bytes, node.seen_at, node.latency_seconds) == ("unknown", None, None, None)
    row = NodeModel.objects.create(node=node, model=OllamaModel.objects.create(name="phi4:latest"))
    assert (row.loaded, row.loaded_bytes, row.vram_bytes, row.loaded_context) == (False, None, None, None)


def test_a_model_has_one_configuration_even_before_it_is_installed(db: None, refused: Refused) -> None:
    ModelConfig.objects.create(model_name="nowhere:latest")
    with refused():
        ModelConfig.objects.create(model_name="nowhere:latest")


@pytest.mark.parametrize(("seconds", "limit"), [(None, None), (1.5, timedelta(milliseconds=1500))])
def test_the_time_limit_of_a_model_is_a_duration_or_none(seconds: float | None, limit: timedelta | None) -> None:
    assert ModelConfig(timeout_seconds=seconds).timeout == limit


@pytest.mark.parametrize(
    ("field", "value"), [("max_concurrent_requests", 0), ("timeout_seconds", 0.5), ("keep_alive_seconds", -1)]
)
def test_a_limit_that_would_stop_everything_is_refused(db: None, field: str, value: float) -> None:
    with pytest.raises(ValidationError) as refusal:
        ModelConfig(model_name="phi4:latest", **{field: value}).full_clean()
    assert list(refusal.value.message_dict) == [field]


def test_a_node_without_slots_is_refused(db: None) -> None:
    with pytest.raises(ValidationError) as refusal:
        Node(name="gpu-a", base_url="http://gpu-a", slots_per_model=0).full_clean()
    assert list(refusal.value.message_dict) == ["slots_per_model"]
