"""Nodes on the wire."""

import pytest

from orchestration import payloads
from orchestration.models import Node
from orchestration.policy.states import NodeHealth


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"health": NodeHealth.HEALTHY}, "healthy"),
        ({"health": NodeHealth.HEALTHY, "draining": True}, "draining"),
        ({"health": NodeHealth.UNHEALTHY, "draining": True}, "unhealthy"),
        ({"health": NodeHealth.HEALTHY, "enabled": False}, "disabled"),
    ],
)
def test_the_worst_that_is_known_of_a_node_is_its_word(fields, word):
    assert payloads.node_status(Node(**fields)) == word


def test_a_model_that_is_loaded_shows_the_context_it_was_loaded_with(make_node):
    row = make_node(loaded=("llama3.2:latest",)).node_models.select_related("model").get()
    row.loaded_context, row.model.context_length = 8192, 131_072
    assert payloads.node_model(row)["context_length"] == 8192
    row.loaded = False
    assert payloads.node_model(row)["context_length"] == 131_072


def test_what_a_node_never_told_is_nothing(make_node):
    shape = payloads.node(make_node())
    assert (shape["ollama_version"], shape["seen_at"], shape["latency_seconds"]) == (None, None, None)
    assert set(shape) == set(payloads.NodePayload.__annotations__) - {"models"}
