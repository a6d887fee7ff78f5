from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from orchestration.models import FleetDefaults, ModelConfig, Node, NodeModel, OllamaModel
from orchestration.policy.presets import BUILT_IN
from orchestration.queries.facts import FOREVER_SECONDS, forget, model_facts, shared

pytestmark = pytest.mark.django_db

MODEL = "llama3.2:latest"


def test_facts_come_from_the_node_and_from_what_the_team_decided(make_node: Callable[..., Node]) -> None:
    node = make_node(loaded=(MODEL,))
    NodeModel.objects.update(loaded_context=8192)
    ModelConfig.objects.create(model_name=MODEL, options={"top_k": 3}, timeout_seconds=9, keep_alive_seconds=60)
    facts = model_facts(node.pk, MODEL)
    assert (facts.loaded_context, facts.options, facts.timeout_seconds) == (8192, {"top_k": 3}, 9)
    assert facts.keep_alive_seconds == 60


def test_a_model_nobody_knows_has_empty_facts(node: Node) -> None:
    facts = model_facts(node.pk, "unheard-of:latest")
    assert (facts.loaded_context, facts.capabilities, facts.options) == (None, (), {})


def test_many_look_ups_in_one_group_ask_once(node: Node, django_assert_num_queries: Callable[..., object]) -> None:
    with shared(), django_assert_num_queries(3):
        assert model_facts(node.pk, MODEL) is model_facts(node.pk, MODEL)


def test_the_fleets_defaults_are_read_once_for_a_group(
    node: Node, django_assert_num_queries: Callable[..., object]
) -> None:
    with shared(), django_assert_num_queries(3 + 2):
        model_facts(node.pk, MODEL)
        model_facts(node.pk, "qwen3:8b")


def test_what_is_pinned_stays_for_ever(node: Node) -> None:
    NodeModel.objects.update(pinned=True)
    ModelConfig.objects.create(model_name=MODEL, keep_alive_seconds=60)
    facts = model_facts(node.pk, MODEL)
    assert facts.said["keep_alive_seconds"] == (FOREVER_SECONDS, "pinned")


def test_the_models_own_decision_wins_over_the_fleets_and_that_over_the_settings(node: Node, settings: Any) -> None:
    settings.DROVER_KEEP_ALIVE = timedelta(minutes=30)
    assert model_facts(node.pk, MODEL).said["keep_alive_seconds"] == (1800, "settings")
    FleetDefaults.objects.create(pk=1, keep_alive_seconds=900, timeout_seconds=8, think="low", options={"seed": 1})
    config = ModelConfig.objects.create(model_name=MODEL, preset="creative", options={"top_k": 7})
    said = model_facts(node.pk, MODEL).said
    assert (said["keep_alive_seconds"], said["timeout_seconds"]) == ((900, "fleet defaults"), (8, "fleet defaults"))
    assert (said["seed"], said["top_k"]) == ((1, "fleet defaults"), (7, f"model {MODEL}"))
    assert said["temperature"] == (BUILT_IN["creative"].options["temperature"], f"preset creative of model {MODEL}")
    assert "think" not in said, "the model is not known to think"
    config.keep_alive_seconds = 60
    config.save()
    assert model_facts(node.pk, MODEL).keep_alive_seconds == 60


def test_a_model_that_thinks_is_told_how_much_the_fleet_wants(node: Node) -> None:
    OllamaModel.objects.update(capabilities=["completion", "thinking"])
    FleetDefaults.objects.create(pk=1, think="low")
    assert model_facts(node.pk, MODEL).said["think"] == ("low", "fleet defaults")


def test_runner_options_are_those_that_a_load_needs(node: Node) -> None:
    ModelConfig.objects.create(model_name=MODEL, options={"num_gpu": 0, "top_k": 7, "num_ctx": 8192})
    facts = model_facts(node.pk, MODEL)
    assert (facts.runner_options, facts.options) == ({"num_gpu": 0}, {"num_gpu": 0, "top_k": 7})


def test_outside_a_group_every_look_up_is_fresh(node: Node) -> None:
    before = model_facts(node.pk, MODEL)
    ModelConfig.objects.create(model_name=MODEL, timeout_seconds=5)
    assert (before.timeout_seconds, model_facts(node.pk, MODEL).timeout_seconds) == (None, 5)


def test_what_is_forgotten_is_looked_up_again(node: Node) -> None:
    with shared():
        assert model_facts(node.pk, MODEL).loaded_context == 4096
        NodeModel.objects.update(loaded_context=8192)
        assert model_facts(node.pk, MODEL).loaded_context == 4096
        forget(node.pk, MODEL)
        assert model_facts(node.pk, MODEL).loaded_context == 8192
