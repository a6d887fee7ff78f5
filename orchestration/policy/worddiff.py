"""What two texts have in common, word by word."""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

Kind = Literal["same", "added", "removed"]
MOST_WORDS = 6_000
"""In both texts together; above it lines are compared, which costs less and shows less."""

_WORDS = re.compile(r"\w+\s*|[^\w\s]\s*|\s+")
_LINES = re.compile(r"[^\n]*\n|[^\n]+")


class Piece(NamedTuple):
    kind: Kind
    text: str


def diff(before: str, after: str) -> list[Piece]:
    """What became of ``before``. Without its added pieces it is that text, without its removed ones it is ``after``."""
    if before == after:
        return [Piece("same", after)] if after else []
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    if len(old) + len(new) > MOST_WORDS:
        old, new = _LINES.findall(before), _LINES.findall(after)
    pieces: list[Piece] = []
    for kind, i, j, k, m in SequenceMatcher(None, old, new).get_opcodes():
        if kind == "equal":
            pieces.append(Piece("same", _joined(new[k:m])))
            continue
        pieces += [Piece("removed", _joined(old[i:j]))] if j > i else []
        pieces += [Piece("added", _joined(new[k:m]))] if m > k else []
    return pieces


def _joined(parts: Sequence[str]) -> str:
    return "".join(parts)


def alike(texts: Sequence[str]) -> bool:
    """Whether all of them say the same, white space at the ends and its amount aside."""
    return len({" ".join(text.split()) for text in texts}) <= 1
