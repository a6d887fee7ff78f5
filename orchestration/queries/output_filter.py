"""The grammar of the search over answers, the same in addresses of pages and in the REST API."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict

from orchestration.errors import InvalidInput
from orchestration.models import User
from orchestration.policy.output_marks import KINDS, LENGTHS, LONGEST, RATINGS
from orchestration.policy.terms import Terms, parse
from orchestration.queries.ids import id_of

SORTS = ("relevance", "newest", "rating")
_NOT_FILTERS = frozenset({"limit", "cursor", "page", "format", "open", "facets"})
_KNOWN_VALUES = {
    "rating": frozenset(RATINGS),
    "json": frozenset({"yes", "no"}),
    "length": frozenset({*LENGTHS, LONGEST}),
}
_TIMES = ("since", "until")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFilter:
    """Several values of one kind mean any of them, several kinds mean all of them. Empty means every answer."""

    text: str = ""
    sort: str = ""
    since: datetime | None = None
    until: datetime | None = None
    model: frozenset[str] = frozenset()
    agent: frozenset[str] = frozenset()
    owner: frozenset[str] = frozenset()
    node: frozenset[str] = frozenset()
    type: frozenset[str] = frozenset()
    rating: frozenset[str] = frozenset()
    tag: frozenset[str] = frozenset()
    month: frozenset[str] = frozenset()
    week: frozenset[str] = frozenset()
    day: frozenset[str] = frozenset()
    json: frozenset[str] = frozenset()
    length: frozenset[str] = frozenset()
    collection: frozenset[str] = frozenset()

    @classmethod
    def from_query(cls, query: QueryDict) -> "OutputFilter":
        """InvalidInput says what is known."""
        found: dict[str, str | frozenset[str]] = {}
        for given in query:
            name = {"q": "text"}.get(given, given)
            if name in _NOT_FILTERS:
                continue
            values = [value.strip() for value in query.getlist(given)]
            if any("\0" in value for value in values):
                raise InvalidInput("The filter contains the character NUL.", filter=given)
            if name in KINDS:
                found[name] = frozenset(part for value in values for part in _split(name, value))
            elif name in ("text", "sort", *_TIMES):
                found[name] = values[-1]
            else:
                raise _unknown(given)
        return cls(**_checked(found))

    @property
    def terms(self) -> Terms:
        return parse(self.text)

    @property
    def kinds(self) -> dict[str, frozenset[str]]:
        """Those that are asked for."""
        return {kind: values for kind in KINDS if (values := getattr(self, kind))}

    @property
    def order(self) -> str:
        """What was asked for, else the best first where there are words to compare by."""
        sort = self.sort or "relevance"
        return "newest" if sort == "relevance" and not self.terms.wanted else sort

    @property
    def narrows(self) -> bool:
        """Whether it leaves anything out."""
        return bool(self.kinds or self.since or self.until or not self.terms.is_empty)

    def without(self, kind: str) -> "OutputFilter":
        nothing: dict[str, Any] = {kind: frozenset()}
        return replace(self, **nothing)

    def to_query(self) -> str:
        pairs = [("q", self.text)] if self.text else []
        pairs += [("sort", self.sort)] if self.sort else []
        pairs += [(name, at.isoformat()) for name in _TIMES if (at := getattr(self, name))]
        return urlencode([*pairs, *((kind, each) for kind, values in self.kinds.items() for each in sorted(values))])


def owner_ids(names: frozenset[str]) -> list[str]:
    """As the marks have them; somebody unknown has no answers."""
    known = User.objects.filter(username__in=names).values_list("pk", flat=True)
    return [str(pk) for pk in known] or ["nobody"]


def _unknown(given: str) -> InvalidInput:
    known = [field.name for field in fields(OutputFilter)]
    near = get_close_matches(given, known, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"Filters are {', '.join(sorted(known))}."
    return InvalidInput(f"There is no filter {given[:60]!r}. {hint}", filter=given[:60])


def _split(name: str, value: str) -> list[str]:
    """Commas part values, but tags may have some."""
    parts = [value] if name == "tag" else value.split(",")
    return [part.strip() for part in parts if part.strip()]


def _checked(found: Mapping[str, str | frozenset[str]]) -> dict[str, Any]:
    checked: dict[str, Any] = dict(found)
    for name, known in _KNOWN_VALUES.items():
        if unknown := set(found.get(name, ())) - known:
            raise InvalidInput(f"{name} is one of {', '.join(sorted(known))}, not {min(unknown)[:60]!r}.", filter=name)
    if any(id_of(each) is None for each in found.get("collection", ())):
        raise InvalidInput("collection is a number.", filter="collection")
    if found.get("sort") and found["sort"] not in SORTS:
        raise InvalidInput(f"sort is one of {', '.join(SORTS)}.", filter="sort")
    for name in _TIMES:
        checked[name] = _time(name, str(found[name])) if found.get(name) else None
    return checked


def _time(name: str, text: str) -> datetime:
    """``2026-11-21`` is its beginning, for ``until`` its end."""
    try:
        if len(text) == len("2026-11-21"):
            day = datetime.combine(date.fromisoformat(text), time(), UTC)
            return day + timedelta(days=1) if name == "until" else day
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidInput(f"{name} is a day or a time as ISO 8601 has it.", filter=name) from error
