"""Model configurations: one a model, checked, audited."""

from typing import Any

import pytest

from orchestration.errors import Conflict, InvalidInput, NotAllowed, NotFound
from orchestration.models import AuditEntry, ModelConfig
from orchestration.permissions import Actor
from orchestration.services import model_configs


def test_a_configuration_is_made_changed_and_deleted(as_alice: Actor) -> None:
    config = model_configs.create(actor=as_alice, model_name="Llama3.2", options={"num_ctx": 8192})
    assert (config.model_name, config.max_concurrent_requests) == ("llama3.2:latest", 5)
    model_configs.update(actor=as_alice, config_id=config.pk, enabled=False)
    assert AuditEntry.objects.get(action="model_config.changed").detail == {"changes": {"enabled": [True, False]}}
    model_configs.delete(actor=as_alice, config_id=config.pk)
    assert not ModelConfig.objects.exists()
    assert AuditEntry.objects.get(action="model_config.deleted").object_name == "llama3.2:latest"


@pytest.mark.parametrize(
    "fields",
    [
        {"model_name": ""},
        {"max_concurrent_requests": 0},
        {"timeout_seconds": 0},
        {"keep_alive_seconds": -1},
        {"options": {"temprature": 1}},
        {"options": "hot"},
        {"labels": "fast"},
        {"fallbacks": [1]},
        {"colour": "blue"},
    ],
)
def test_bad_fields_are_refused(fields: dict[str, Any], as_alice: Actor) -> None:
    with pytest.raises(InvalidInput):
        model_configs.create(actor=as_alice, **{"model_name": "llama3.2", **fields})
    assert not ModelConfig.objects.exists()


def test_two_spellings_are_one_model(as_alice: Actor) -> None:
    model_configs.create(actor=as_alice, model_name="llama3.2")
    with pytest.raises(Conflict):
        model_configs.create(actor=as_alice, model_name="LLAMA3.2:latest")


def test_an_operator_may_not(as_bob: Actor, as_alice: Actor) -> None:
    config = model_configs.create(actor=as_alice, model_name="llama3.2")
    for act in (
        lambda: model_configs.create(actor=as_bob, model_name="qwen3"),
        lambda: model_configs.update(actor=as_bob, config_id=config.pk, enabled=False),
        lambda: model_configs.delete(actor=as_bob, config_id=config.pk),
    ):
        with pytest.raises(NotAllowed):
            act()


def test_a_configuration_that_is_not_there_is_not_found(as_alice: Actor) -> None:
    with pytest.raises(NotFound):
        model_configs.update(actor=as_alice, config_id=9, enabled=False)


def test_everything_that_is_wrong_is_named(as_alice: Actor) -> None:
    wrong = {
        "options": {"temperature": 99, "num_gpu": -5},
        "think": "hard",
        "preset": "nothing",
        "allowed_nodes": [""],
        "retry_on": ["weather"],
        "timeout_seconds": 0,
    }
    with pytest.raises(InvalidInput) as refusal:
        model_configs.create(actor=as_alice, model_name="llama3.2", **wrong)
    named = {"temperature", "num_gpu", "think", "preset", "allowed_nodes", "retry_on", "timeout_seconds"}
    assert set(refusal.value.detail["fields"]) == named


def test_runner_options_are_decided_for_a_model(as_alice: Actor) -> None:
    config = model_configs.create(actor=as_alice, model_name="llama3.2", options={"num_gpu": 0, "use_mmap": True})
    assert config.options == {"num_gpu": 0, "use_mmap": True}


def test_a_model_kept_to_a_node_follows_its_name(as_alice: Actor) -> None:
    config = model_configs.create(actor=as_alice, model_name="llama3.2", allowed_nodes=["gpu-a", "fast"])
    other = model_configs.create(actor=as_alice, model_name="qwen3", allowed_nodes=["gpu-b"])
    model_configs.rename_node("gpu-a", "gpu-z")
    config.refresh_from_db()
    other.refresh_from_db()
    assert (config.allowed_nodes, other.allowed_nodes) == (["gpu-z", "fast"], ["gpu-b"])


def test_nodes_that_are_not_there_are_warned_about(as_alice: Actor, make_node: Any) -> None:
    make_node("gpu-a", labels=["fast"])
    make_node("gpu-b", models=())
    config = model_configs.create(actor=as_alice, model_name="llama3.2", allowed_nodes=["gpu-x", "fast"])
    assert model_configs.warnings(config) == ["No node is called or labelled gpu-x."]
    model_configs.update(actor=as_alice, config_id=config.pk, allowed_nodes=["gpu-b"])
    config.refresh_from_db()
    assert model_configs.warnings(config) == ["None of the nodes that may run it has it: gpu-b."]


def test_a_preset_that_has_gone_stops_nobody_from_changing_something_else(as_alice: Actor) -> None:
    config = ModelConfig.objects.create(model_name="llama3.2:latest", preset="gone")
    model_configs.update(actor=as_alice, config_id=config.pk, enabled=False)
    with pytest.raises(InvalidInput):
        model_configs.update(actor=as_alice, config_id=config.pk, preset="gone-too")
