"""The passage of a text that shows best why it was found, with what was looked for set apart."""

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice

from orchestration.policy.terms import Place, Term, places

WIDTH = 240
LEAD = 60
READ_CHARACTERS = 100_000
MOST_HITS = 400
Span = tuple[int, int]
Hit = tuple[int, int, int]
"""Where it starts and ends, and the number of its term."""
Part = tuple[str, bool]
"""A piece of text, and whether it is what was looked for."""


def snippet(text: str, terms: Sequence[Term], *, width: int = WIDTH) -> list[Part]:
    """The parts of one passage; without any hit the beginning of the text."""
    found = hits(text, terms)
    start = _start(found, width)
    start, end = _whole_words(text, start, min(len(text), start + width))
    inside = [(max(a, start), min(b, end)) for a, b, _ in found if a < end and b > start]
    return _parts(text, start, end, inside)


def marked(text: str, terms: Sequence[Term]) -> list[Part]:
    """The whole of a short text."""
    return _parts(text, 0, len(text), [(a, b) for a, b, _ in hits(text, terms)])


def hits(text: str, terms: Sequence[Term]) -> list[Hit]:
    """By their place in the text."""
    if not terms:
        return []
    read = text[:READ_CHARACTERS]
    found = _in_plain(read, terms) if read.isascii() else _in_any(read, terms)
    return sorted(found)


def _in_plain(text: str, terms: Sequence[Term]) -> list[Hit]:
    """The same as for any text, but thirty times as quick: what has no accents need not be taken apart."""
    return [
        (*found.span(1), number)
        for number, term in enumerate(terms)
        for found in islice(_pattern(term).finditer(text), MOST_HITS)
    ]


@lru_cache(maxsize=256)
def _pattern(term: Term) -> re.Pattern[str]:
    words = r"[\W_]+".join(map(re.escape, term.words))
    rest = r"[^\W_]*" if term.is_prefix else ""
    return re.compile(rf"(?<![^\W_])(?=({words}{rest})(?![^\W_]))", re.IGNORECASE | re.ASCII)


def _in_any(text: str, terms: Sequence[Term]) -> list[Hit]:
    known = list(places(text))
    first: dict[str, list[int]] = {}
    for index, place in enumerate(known):
        first.setdefault(place.word, []).append(index)
    return [
        (known[at].start, known[at + len(term.words) - 1].end, number)
        for number, term in enumerate(terms)
        for at in _matches(term, known, first)[:MOST_HITS]
    ]


def _matches(term: Term, known: Sequence[Place], first: dict[str, list[int]]) -> list[int]:
    if term.is_prefix and len(term.words) == 1:
        starts = sorted(at for word, all_of_it in first.items() if word.startswith(term.words[0]) for at in all_of_it)
    else:
        starts = first.get(term.words[0], [])
    return [at for at in starts if _follows(term, known, at)]


def _follows(term: Term, known: Sequence[Place], at: int) -> bool:
    if at + len(term.words) > len(known):
        return False
    *body, last = term.words
    if any(known[at + offset].word != word for offset, word in enumerate(body)):
        return False
    end = known[at + len(body)].word
    return end.startswith(last) if term.is_prefix else end == last


def _start(found: Sequence[Hit], width: int) -> int:
    """Where the passage with the most different terms begins, a little before its first."""
    if not found:
        return 0

    def worth(hit: Hit) -> tuple[int, int]:
        last = hit[0] + width - LEAD
        return len({number for start, end, number in found if hit[0] <= start and end <= last}), -hit[0]

    return max(0, max(found[:MOST_HITS], key=worth)[0] - LEAD)


def _whole_words(text: str, start: int, end: int) -> Span:
    if start > 0:
        blank = text.find(" ", start, start + LEAD)
        start = blank + 1 if blank >= 0 else start
    if end < len(text):
        blank = text.rfind(" ", max(start, end - LEAD), end)
        end = blank if blank > start else end
    return start, end


def _parts(text: str, start: int, end: int, spans: Sequence[Span]) -> list[Part]:
    parts: list[Part] = []
    at = start
    for a, b in spans:
        if b <= at:
            continue
        parts += [(text[at:a], False)] if a > at else []
        parts.append((text[max(a, at) : b], True))
        at = b
    parts += [(text[at:end], False)] if at < end else []
    return _with_ellipses(parts, cut_before=start > 0, cut_after=end < len(text))


def _with_ellipses(parts: list[Part], *, cut_before: bool, cut_after: bool) -> list[Part]:
    return [*([("… ", False)] if cut_before else []), *parts, *([(" …", False)] if cut_after else [])]
