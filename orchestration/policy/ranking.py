"""How near passages are to a question: by the angle between vectors, or by the words they share."""

import math
import re
from collections import Counter
from collections.abc import Sequence

_CJK = "぀-ヿ㐀-䶿一-鿿가-힯"
_WORD = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+")
_SATURATION = 1.5
_LENGTH_WEIGHT = 0.75
"""The two constants of BM25, at their usual values."""


def cosines(question: Sequence[float], vectors: Sequence[Sequence[float]]) -> list[float]:
    """Of each vector with the question's; 0 for one without a direction or of another length."""
    own = math.hypot(*question)
    return [_cosine(question, own, vector) for vector in vectors]


def _cosine(question: Sequence[float], own: float, vector: Sequence[float]) -> float:
    size = own * math.hypot(*vector)
    if not size or len(vector) != len(question):
        return 0.0
    return sum(a * b for a, b in zip(question, vector, strict=True)) / size


def words(text: str) -> list[str]:
    """Without case and plural s; a character of Chinese, Japanese or Korean counts as a word."""
    found = _WORD.findall(text.casefold())
    return [word[:-1] if len(word) > 3 and word[-1] == "s" and word[-2] != "s" else word for word in found]


def shared_words(question: str, texts: Sequence[str]) -> list[float]:
    """BM25: words count by how rare they are in these texts, and less with each repetition and in longer texts."""
    asked = set(words(question))
    counts = [Counter(words(text)) for text in texts]
    lengths = [count.total() for count in counts]
    usual = sum(lengths) / len(lengths) if lengths else 1.0
    weights = {word: _rarity(sum(word in count for count in counts), len(texts)) for word in asked}
    return [
        sum(weights[word] * _worth(count[word], length / (usual or 1.0)) for word in asked & count.keys())
        for count, length in zip(counts, lengths, strict=True)
    ]


def _rarity(having: int, total: int) -> float:
    return math.log(1 + (total - having + 0.5) / (having + 0.5))


def _worth(times: int, relative_length: float) -> float:
    damping = _SATURATION * (1 - _LENGTH_WEIGHT + _LENGTH_WEIGHT * relative_length)
    return times * (_SATURATION + 1) / (times + damping)
