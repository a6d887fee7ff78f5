"""Nodes, their models and the team's decisions on the wire."""

from datetime import UTC, datetime
from typing import Any

import pytest

from orchestration.models import ModelConfig, Node, NodeModel, OllamaModel
from orchestration.payloads import (
    ModelConfigPayload,
    NodeModelPayload,
    NodePayload,
    model_config,
    node,
    node_model,
    node_status,
)
from tests.payloads.conftest import AT, SENT, Exactly


def stored(**fields: Any) -> Node:
    return Node(**{"pk": 1, "name": "gpu-a", "base_url": "http://gpu-a.test:11434", **fields})


@pytest.mark.parametrize(
    ("enabled", "draining", "health", "word"),
    [
        (False, False, "healthy", "disabled"),
        (False, True, "unhealthy", "disabled"),
        (True, False, "unknown", "unknown"),
        (True, True, "unknown", "unknown"),
        (True, False, "unhealthy", "unhealthy"),
        (True, True, "unhealthy", "unhealthy"),
        (True, False, "healthy", "healthy"),
        (True, True, "healthy", "draining"),
    ],
)
def test_one_word_says_what_keeps_work_away_first(enabled: bool, draining: bool, health: str, word: str) -> None:
    row = stored(enabled=enabled, draining=draining, health=health)
    assert node_status(row) == word
    sent = node(row)
    assert (sent["status"], sent["health"], sent["enabled"], sent["draining"]) == (word, health, enabled, draining)


def test_a_node_that_nobody_saw_yet_is_unknown_not_zero(exactly: Exactly) -> None:
    sent = node(stored())
    exactly(NodePayload, sent)
    unknown = ("health_changed_at", "seen_at", "ollama_version", "latency_seconds", "vram_bytes")
    assert {name: sent[name] for name in unknown} == dict.fromkeys(unknown)


def test_a_node_that_was_seen_tells_when_and_how(exactly: Exactly) -> None:
    seen = {"seen_at": AT, "health_changed_at": AT, "ollama_version": "0.33.0", "latency_seconds": 0.0}
    sent = node(stored(health="healthy", labels=["fast"], vram_bytes=80_000_000_000, **seen))
    exactly(NodePayload, sent)
    assert (sent["seen_at"], sent["health_changed_at"], sent["latency_seconds"]) == (SENT, SENT, 0.0)
    assert "models" not in sent


def test_a_circuit_that_opened_says_until_when_and_why(exactly: Exactly) -> None:
    failed = {"faults": 5, "circuit_reason": "HTTP 500 without a reason"}
    sent = node(stored(circuit_until=datetime(2999, 1, 1, tzinfo=UTC), **failed))
    exactly(NodePayload, sent)
    words = "circuit open until 00:00:00 UTC after 5 failures in a row: HTTP 500 without a reason"
    assert (sent["circuit"], sent["circuit_words"], sent["faults"]) == ("open", words, 5)
    assert sent["circuit_until"] == "2999-01-01T00:00:00.000Z"
    tried = node(stored(circuit_until=AT, **failed))
    assert tried["circuit"] == "half_open"
    assert tried["circuit_words"].startswith("circuit half open, one run at a time, after 5 failures in a row")
    closed = node(stored())
    assert (closed["circuit"], closed["circuit_words"], closed["circuit_until"]) == ("closed", "", None)


def on_node(**fields: Any) -> NodeModel:
    model = OllamaModel(name="llama3.2:latest", context_length=131_072, capabilities=["completion", "tools"])
    return NodeModel(**{"node": stored(), "model": model, "size_bytes": 2_000_000_000, **fields})


def test_an_installed_model_tells_the_context_it_could_have(exactly: Exactly) -> None:
    sent = node_model(on_node(loaded_context=4096))
    exactly(NodeModelPayload, sent)
    assert (sent["loaded"], sent["context_length"], sent["vram_bytes"], sent["expires_at"]) == (
        False,
        131_072,
        None,
        None,
    )


def test_a_loaded_model_tells_the_context_it_has_or_that_nobody_knows(exactly: Exactly) -> None:
    loaded = {"loaded": True, "loaded_bytes": 3_000_000_000, "vram_bytes": 0, "expires_at": AT}
    sent = node_model(on_node(loaded_context=4096, **loaded))
    exactly(NodeModelPayload, sent)
    assert (sent["context_length"], sent["vram_bytes"], sent["expires_at"]) == (4096, 0, SENT)
    assert node_model(on_node(**loaded))["context_length"] is None


def test_a_model_configuration_has_every_field(exactly: Exactly) -> None:
    bare = model_config(ModelConfig(pk=1, model_name="phi4:latest"))
    exactly(ModelConfigPayload, bare)
    assert (bare["timeout_seconds"], bare["keep_alive_seconds"]) == (None, None)
    limits = {"timeout_seconds": 60.0, "keep_alive_seconds": 0.0, "options": {"num_ctx": 8192}}
    full = model_config(ModelConfig(pk=1, model_name="phi4:latest", fallbacks=["qwen3:8b"], labels=["big"], **limits))
    exactly(ModelConfigPayload, full)
    assert {name: full[name] for name in limits} == limits
    assert (full["fallbacks"], full["labels"]) == (["qwen3:8b"], ["big"])
