"""Completing, comparing and refusing model names."""

import pytest

from orchestration.ollama.simulator.names import ModelName, without_source
from orchestration.ollama.simulator.refusal import Refusal


@pytest.mark.parametrize(
    ("text", "display", "full"),
    [
        ("llama3.2", "llama3.2:latest", "registry.ollama.ai/library/llama3.2:latest"),
        ("llama3.2:3B", "llama3.2:3B", "registry.ollama.ai/library/llama3.2:3B"),
        ("me/mine", "me/mine:latest", "registry.ollama.ai/me/mine:latest"),
        ("hub.example:5000/me/mine:x", "hub.example:5000/me/mine:x", "hub.example:5000/me/mine:x"),
    ],
)
def test_names_are_completed_and_shown_short(text, display, full):
    name = ModelName.parse(text)
    assert (name.display, name.full) == (display, full)


def test_names_are_compared_without_case():
    assert ModelName.parse("LLAMA3.2:Latest").key == ModelName.parse("llama3.2").key


@pytest.mark.parametrize("text", ["", ":x", "a:", "a b", "a/b/c/d", "-a", "x" * 200])
def test_bad_names_are_none(text):
    assert ModelName.parse(text) is None


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("a:7b", ("a:7b", "")),
        ("a:cloud", ("a", "cloud")),
        ("a:7b-cloud", ("a:7b-cloud", "cloud")),
        ("a:7b:local", ("a:7b", "local")),
        ("a-cloud:local", ("a-cloud", "local")),
    ],
)
def test_a_suffix_names_the_source(text, split):
    assert without_source(text) == split


def test_two_sources_are_a_contradiction():
    with pytest.raises(Refusal, match="not both"):
        without_source("a:cloud:local")
