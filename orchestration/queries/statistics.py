"""What was used over a range of days, read from the daily sums: its cost does not grow with the number of tasks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db.models import Count, Q, QuerySet, Sum
from django.utils import timezone

from orchestration.errors import InvalidInput
from orchestration.models import Output, UsageDay, User
from orchestration.models.usage import SUMS
from orchestration.payloads.statistics import (
    DayUsage,
    NamedUsage,
    StatisticsPayload,
    UsageList,
    UserUsage,
    usage,
)

DAYS_DEFAULT = 30
MOST_DAYS = 3_660
NOBODY = "nobody"
_DAY = timedelta(days=1)
_NOTHING = dict.fromkeys(SUMS, 0)
_COLUMNS = {"model": "model_name", "agent": "agent_name", "node": "node_name", "type": "type", "user": "share"}
_OF_OUTPUTS = {**_COLUMNS, "user": "owner_id"}

Rating = tuple[int, int]
"""How many there are, and their sum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Both days are part of it."""

    first: date
    last: date

    @property
    def moments(self) -> tuple[datetime, datetime]:
        """From the first one on, before the second one."""
        return _midnight(self.first), _midnight(self.last + _DAY)

    @property
    def days(self) -> Iterable[date]:
        return (self.first + number * _DAY for number in range((self.last - self.first).days + 1))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def range_of(first: date | None = None, last: date | None = None, *, days: int | None = None) -> Range:
    """The last 30 days where nothing is said. InvalidInput for one that ends before it begins, or is too long."""
    last = last or timezone.now().astimezone(UTC).date()
    try:
        first = first or last - ((days or DAYS_DEFAULT) - 1) * _DAY
        last + _DAY
    except OverflowError as error:
        raise InvalidInput("There are no such days.", field="first_day") from error
    if first > last:
        raise InvalidInput("The range ends before it begins.", field="last_day")
    if (last - first).days >= MOST_DAYS:
        raise InvalidInput(f"A range has at most {MOST_DAYS:,} days.", field="first_day")
    return Range(first=first, last=last)


def statistics(among: Range, **where: str) -> StatisticsPayload:
    """``where``: names by model, agent, user, node and type; empty ones stand for all. It takes four queries."""
    rows, answers = _rows(among, where), _rated(among, where)
    users = dict(User.objects.values_list("pk", "username"))
    by_day = {row["day"]: row for row in _summed(rows, "day")}
    places = _summed(rows, *_COLUMNS.values())
    by: dict[str, list[NamedUsage]] = {noun: _named(places, answers, noun, users) for noun in _COLUMNS}
    return StatisticsPayload(
        first_day=among.first.isoformat(),
        last_day=among.last.isoformat(),
        total=usage(_added(by_day.values())),
        by_model=by["model"],
        by_agent=by["agent"],
        by_user=by["user"],
        by_node=by["node"],
        by_type=by["type"],
        by_day=[DayUsage(day=day.isoformat(), **usage(by_day.get(day, _NOTHING))) for day in among.days],
    )


def by_user_and_agent(among: Range, **where: str) -> UsageList:
    """Who took how much, through which agent."""
    rows = _summed(_rows(among, where), "share", "agent_name")
    users = dict(User.objects.values_list("pk", "username"))
    found = [UserUsage(user=user_name(row["share"], users), agent=row["agent_name"], **usage(row)) for row in rows]
    return UsageList(
        first_day=among.first.isoformat(),
        last_day=among.last.isoformat(),
        total=usage(_added(rows)),
        usage=sorted(found, key=lambda row: (-row["gpu_seconds"], row["user"], row["agent"])),
    )


def user_name(share: int, users: Mapping[int, str]) -> str:
    """Of somebody who is gone the number is left."""
    return users.get(share, f"former user {share}") if share else NOBODY


def _rows(among: Range, where: Mapping[str, str]) -> "QuerySet[UsageDay]":
    rows = UsageDay.objects.filter(day__gte=among.first, day__lte=among.last).order_by()
    named = {noun: name for noun, name in where.items() if name}
    return rows.filter(**{_COLUMNS[noun]: _share(name) if noun == "user" else name for noun, name in named.items()})


def _share(name: str) -> int:
    """A negative one is nobody's."""
    if name == NOBODY:
        return 0
    known = None if "\0" in name else User.objects.filter(username=name).values_list("pk", flat=True).first()
    return -1 if known is None else known


def _rated(among: Range, where: Mapping[str, str]) -> list[dict[str, Any]]:
    """How many of each place, and the sum of their ratings."""
    begin, end = among.moments
    rows = Output.objects.filter(rating__isnull=False, ended_at__gte=begin, ended_at__lt=end).order_by()
    named = {noun: name for noun, name in where.items() if name}
    if user := named.pop("user", ""):
        rows = rows.filter(Q(owner=None) if user == NOBODY else Q(owner=_share(user)))
    rows = rows.filter(**{_OF_OUTPUTS[noun]: name for noun, name in named.items()})
    return list(rows.values(*_OF_OUTPUTS.values()).annotate(count=Count("pk"), points=Sum("rating")))


def _summed(rows: "QuerySet[UsageDay]", *columns: str) -> list[dict[str, Any]]:
    """With a key for each sum and for each of these columns."""
    named = rows.values_list(*columns).annotate(**{f"{name}_": Sum(name) for name in SUMS})
    return [dict(zip((*columns, *SUMS), row, strict=True)) for row in named]


def _named(
    places: Iterable[Mapping[str, Any]], answers: Iterable[Mapping[str, Any]], noun: str, users: Mapping[int, str]
) -> list[NamedUsage]:
    """The same rows are folded by each noun in turn: the database reads them once."""
    rated: dict[Any, Rating] = {}
    for answer in answers:
        key = answer[_OF_OUTPUTS[noun]] or 0 if noun == "user" else answer[_OF_OUTPUTS[noun]]
        count, points = rated.get(key, (0, 0))
        rated[key] = count + answer["count"], points + answer["points"]
    sums: dict[Any, list[Mapping[str, Any]]] = {}
    for place in places:
        sums.setdefault(place[_COLUMNS[noun]], []).append(place)
    found = []
    for key, rows in sums.items():
        count, points = rated.get(key, (0, 0))
        name = user_name(key, users) if noun == "user" else key
        rating = round(points / count, 2) if count else None
        found.append(NamedUsage(name=name, rated=count, rating=rating, **usage(_added(rows))))
    return sorted(found, key=lambda row: (-row["gpu_seconds"], -row["completed"], row["name"]))


def _added(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    whole = dict(_NOTHING)
    for row in rows:
        for name in SUMS:
            whole[name] += row[name]
    return whole
