"""Words as the search knows them, and what people type into its box: words, "phrases", -not, prefix*.

Whatever is typed means something: there is no syntax that could be wrong.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

LONGEST_WORD = 64
"""Longer runs of letters are encoded data, by which nobody searches."""
SHORTEST_PREFIX = 3
MOST_TERMS = 24
_SCRIPTS_WITHOUT_SPACES = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af"
_WORD = re.compile(f"[{_SCRIPTS_WITHOUT_SPACES}]|[^\\W_{_SCRIPTS_WITHOUT_SPACES}]+")
_TYPED = re.compile(r'(-?)(?:"([^"]*)"?|([^\s"]+))(\*?)')


class Place(NamedTuple):
    """A word as it is kept, and where it stands in the text."""

    word: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Term:
    """Words that follow each other; the last may go on where it is a prefix."""

    words: tuple[str, ...]
    is_prefix: bool = False


@dataclass(frozen=True, slots=True)
class Terms:
    """What an answer must have, and what it must not."""

    wanted: tuple[Term, ...] = ()
    unwanted: tuple[Term, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.wanted or self.unwanted)


def words(text: str) -> list[str]:
    """In their order, without case and accents; each sign of a script without spaces is a word."""
    if text.isascii():
        return [word for word in _WORD.findall(text.lower()) if len(word) <= LONGEST_WORD]
    return [place.word for place in places(text)]


def places(text: str) -> Iterator[Place]:
    """The same words with their places."""
    for found in _WORD.finditer(text):
        if found.end() - found.start() <= LONGEST_WORD:
            for word in _folded(found.group()):
                yield Place(word, found.start(), found.end())


def _folded(word: str) -> list[str]:
    if word.isascii():
        return [word.lower()]
    bare = "".join(sign for sign in unicodedata.normalize("NFKD", word.casefold()) if not unicodedata.combining(sign))
    return _WORD.findall(unicodedata.normalize("NFC", bare))


def parse(text: str) -> Terms:
    """What somebody typed. ``foo-bar`` is the phrase that it looks like; signs alone mean nothing."""
    wanted: list[Term] = []
    unwanted: list[Term] = []
    for minus, phrase, plain, star in _TYPED.findall(text):
        found = tuple(words(phrase or plain))
        starred = bool(star) or plain.endswith("*")
        if found and len(wanted) + len(unwanted) < MOST_TERMS:
            term = Term(found, starred and len(found[-1]) >= SHORTEST_PREFIX)
            (unwanted if minus else wanted).append(term)
    return Terms(tuple(dict.fromkeys(wanted)), tuple(dict.fromkeys(unwanted)))
