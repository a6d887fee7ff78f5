"""Embeddings without a model: hashed words, so that texts that share words point in similar directions."""

import hashlib
import math
import re
from array import array
from functools import lru_cache

_WORD = re.compile(r"\w+")
# Words of a text weigh more than the trace that keeps different texts without shared words apart.
_TRACE = 0.05
_SPREAD = 16


@lru_cache(maxsize=20_000)
def _places(word: str, size: int) -> tuple[tuple[int, float], ...]:
    digest = hashlib.shake_128(word.encode()).digest(_SPREAD * 4)
    numbers = array("I", digest)
    return tuple((number % size, 1.0 if number >> 31 else -1.0) for number in numbers)


def raw_vector(text: str, size: int) -> list[float]:
    vector = [0.0] * size
    words = _WORD.findall(text.lower()) or [text]
    for word in words:
        for place, sign in _places(word, size):
            vector[place] += sign
    for place, sign in _places(f"whole text: {text}", size):
        vector[place] += sign * _TRACE
    return vector


def normalised(vector: list[float]) -> list[float]:
    length = math.sqrt(sum(value * value for value in vector)) or 1.0
    return [value / length for value in vector]


def embedding(text: str, size: int, dimensions: int = 0) -> list[float]:
    """L2-normalised; ``dimensions`` cuts and normalises again."""
    vector = normalised(raw_vector(text, size))
    return normalised(vector[:dimensions]) if 0 < dimensions < size else vector
