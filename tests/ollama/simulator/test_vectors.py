"""Embeddings: normalised, repeatable, and closer for similar texts."""

import math

import pytest

from orchestration.ollama.simulator.vectors import embedding


def similarity(first: str, second: str) -> float:
    return sum(a * b for a, b in zip(embedding(first, 768), embedding(second, 768), strict=True))


def test_texts_that_share_words_are_closer():
    near = similarity("the red boat sails home", "a red boat sails away")
    far = similarity("the red boat sails home", "quarterly tax report for accountants")
    assert near > 0.4
    assert near > far + 0.3


def test_the_same_text_gives_the_same_vector_and_another_one_does_not():
    assert embedding("one", 384) == embedding("one", 384)
    assert embedding("", 384) != embedding(" ", 384)


@pytest.mark.parametrize("dimensions", [0, 1, 64, 767, 768, 5000])
def test_vectors_are_normalised_in_any_dimension(dimensions):
    vector = embedding("some words to embed", 768, dimensions)
    assert len(vector) == (dimensions if 0 < dimensions < 768 else 768)
    assert math.hypot(*vector) == pytest.approx(1.0) or dimensions == 1
