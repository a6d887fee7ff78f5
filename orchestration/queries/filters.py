"""The one grammar for filtering tasks: in URLs of pages, in the REST API, and for rows that arrive live."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import reduce
from operator import or_
from urllib.parse import urlencode

from django.db.models import Q, TextField, Value
from django.db.models.functions import Cast, StrIndex
from django.db.models.lookups import GreaterThan
from django.http import QueryDict

from orchestration.errors import InvalidInput
from orchestration.models.tasks import TaskQuerySet
from orchestration.payloads import TaskRow
from orchestration.payloads.tasks import PUBLIC_STATUS
from orchestration.policy.states import TaskStatus
from orchestration.queries.ids import id_of

STATUSES = tuple(dict.fromkeys(PUBLIC_STATUS.values()))
_NOT_FILTERS = frozenset({"limit", "cursor", "page", "sort", "wait", "selected"})
_SYNONYMS = {"state": "status", "waiting": "pending", "q": "text"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """Several values of one field mean any of them; several fields mean all of them. Empty means everything."""

    status: frozenset[str] = frozenset()
    model: frozenset[str] = frozenset()
    node: frozenset[str] = frozenset()
    agent: frozenset[str] = frozenset()
    owner: frozenset[str] = frozenset()
    priority: frozenset[str] = frozenset()
    type: frozenset[str] = frozenset()
    tag: frozenset[str] = frozenset()
    run: frozenset[str] = frozenset()
    text: str = ""

    @classmethod
    def from_query(cls, query: QueryDict) -> "TaskFilter":
        """Reads ``status=failed&status=running`` and ``status=failed,running``; InvalidInput says what is known."""
        known = {field.name for field in fields(cls)}
        values: dict[str, frozenset[str]] = {}
        text = ""
        for given in query:
            name = _SYNONYMS.get(given, given)
            if name in _NOT_FILTERS:
                continue
            if name not in known:
                near = get_close_matches(name, known, n=1)
                raise InvalidInput(
                    f"There is no filter {given!r}. "
                    + (f"Did you mean {near[0]}?" if near else f"Filters are {', '.join(sorted(known))}."),
                    filter=given,
                )
            if any("\0" in value for value in query.getlist(given)):
                raise InvalidInput("The filter contains the character NUL.", filter=given)
            if name == "text":
                text = query.get(given, "").strip()
                continue
            values[name] = values.get(name, frozenset()) | _split(query.getlist(given))
        return cls(text=text, **_checked(values))

    @classmethod
    def from_string(cls, query: str) -> "TaskFilter":
        return cls.from_query(QueryDict(query))

    @property
    def is_empty(self) -> bool:
        return self == TaskFilter()

    def to_query(self) -> str:
        pairs = [(name, value) for name, values in self.sets().items() for value in sorted(values)]
        return urlencode([*pairs, *([("text", self.text)] if self.text else [])])

    def sets(self) -> dict[str, frozenset[str]]:
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "text"}

    def apply(self, rows: TaskQuerySet) -> TaskQuerySet:
        for name, condition in _CONDITIONS.items():
            values = getattr(self, name)
            if values:
                rows = rows.filter(condition(values))
        if self.tag:
            rows = rows.annotate(tags_text=Cast("tags", TextField())).filter(_has_any(self.tag))
        return rows.filter(title__icontains=self.text) if self.text else rows

    def matches(self, row: TaskRow) -> bool:
        """The same decision for a row that arrives live."""
        of_row: Mapping[str, set[str | None]] = {
            "status": {row["status"]},
            "model": {row["model"]},
            "node": {row["node"]},
            "agent": {row["agent"]},
            "owner": {row["owner"]},
            "priority": {str(row["priority"])},
            "type": {row["type"]},
            "tag": set(row["tags"]),
            "run": {str(row["run_id"])},
        }
        sets_match = all(not wanted or wanted & of_row[name] for name, wanted in self.sets().items())
        return sets_match and self.text.lower() in row["title"].lower()


def _has_any(tags: frozenset[str]) -> Q:
    """Looks for each tag as JSON spells it, to the letter; SQLite keeps JSON in ASCII, PostgreSQL does not."""
    spelled = {json.dumps(tag, ensure_ascii=ascii_only) for tag in tags for ascii_only in (True, False)}
    conditions = [Q(GreaterThan(StrIndex("tags_text", Value(text)), 0)) for text in sorted(spelled)]
    return reduce(or_, conditions)


def _split(values: list[str]) -> frozenset[str]:
    return frozenset(part.strip() for value in values for part in value.split(",") if part.strip())


def _checked(values: dict[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    statuses = frozenset(_SYNONYMS.get(word, word) for word in values.get("status", ()))
    unknown = statuses - set(STATUSES)
    if unknown:
        raise InvalidInput(
            f"There is no status {', '.join(sorted(unknown))}. It is one of {', '.join(STATUSES)}.", filter="status"
        )
    for name in ("priority", "run"):
        if any(id_of(value) is None for value in values.get(name, ())):
            raise InvalidInput(f"{name} is a number.", filter=name)
    return {**values, **({"status": statuses} if statuses else {})}


def statuses_of(words: frozenset[str]) -> list[str]:
    """The stored statuses behind public words."""
    return [status.value for status in TaskStatus if PUBLIC_STATUS[status] in words]


_CONDITIONS: dict[str, Callable[[frozenset[str]], Q]] = {
    "status": lambda values: Q(status__in=statuses_of(values)),
    "model": lambda values: Q(model_used__in=values) | Q(model_used="", model_name__in=values),
    "node": lambda values: Q(node_name__in=values),
    "agent": lambda values: Q(agent_name__in=values),
    "owner": lambda values: Q(owner__username__in=values),
    "priority": lambda values: Q(priority__in=[int(value) for value in values]),
    "type": lambda values: Q(type__in=values),
    "run": lambda values: Q(run_id__in=[int(value) for value in values]),
}
