"""What answers are sorted by, and the marks that stand for it in the index of the search."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2s

EVERY = "all"
"""Every answer has this one: a question needs something to look for."""
KINDS = {
    "model": "m",
    "agent": "a",
    "owner": "o",
    "node": "h",
    "type": "y",
    "rating": "r",
    "tag": "t",
    "month": "n",
    "week": "w",
    "day": "d",
    "json": "j",
    "length": "l",
    "collection": "c",
}
UNRATED = "none"
RATINGS = ("5", "4", "3", "2", "1", UNRATED)
LENGTHS = {"short": 500, "medium": 2_000, "long": 8_000}
LONGEST = "longest"
"""Beyond the last of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Of one answer. ``owner``: an id, so that a person may be renamed."""

    model: str
    agent: str
    owner: int | None
    node: str
    type: str
    rating: int | None
    has_json: bool
    chars: int
    ended_at: datetime
    tags: tuple[str, ...] = ()
    collections: tuple[int, ...] = ()

    @property
    def values(self) -> dict[str, list[str]]:
        """By kind; every kind has a value but tags and collections, which may have several or none."""
        day = self.ended_at.astimezone(UTC).date()
        return {
            "model": [self.model],
            "agent": [self.agent],
            "owner": [str(self.owner or "")],
            "node": [self.node],
            "type": [self.type],
            "rating": [str(self.rating or UNRATED)],
            "json": ["yes" if self.has_json else "no"],
            "length": [length_of(self.chars)],
            "day": [day.isoformat()],
            "week": [f"{day:%G-W%V}"],
            "month": [f"{day:%Y-%m}"],
            "tag": list(self.tags),
            "collection": [str(each) for each in self.collections],
        }


def length_of(chars: int) -> str:
    return next((name for name, most in LENGTHS.items() if chars < most), LONGEST)


def mark(kind: str, value: str) -> str:
    """Short, of letters and figures alone, whatever the value is."""
    return KINDS[kind] + blake2s(value.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


def marks_of(facts: Facts) -> list[str]:
    return [EVERY, *(mark(kind, value) for kind, values in facts.values.items() for value in values)]


def months_between(since: datetime, until: datetime) -> Iterable[str]:
    at = since.astimezone(UTC)
    last = until.astimezone(UTC)
    number, end = at.year * 12 + at.month - 1, last.year * 12 + last.month - 1
    return [f"{each // 12:04}-{each % 12 + 1:02}" for each in range(number, end + 1)]
