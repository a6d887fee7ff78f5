from collections.abc import Callable

import pytest

from orchestration.models import ModelConfig, Node, NodeModel
from orchestration.queries.facts import forget, model_facts, shared

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
    with shared(), django_assert_num_queries(2):
        assert model_facts(node.pk, MODEL) is model_facts(node.pk, MODEL)


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
