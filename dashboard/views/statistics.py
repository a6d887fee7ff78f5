"""Outputs, statistics: what models, agents, users, nodes and days took."""

from datetime import date
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.dateparse import parse_date
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from dashboard.usage_chart import chart_of
from dashboard.views import page
from orchestration.errors import InvalidInput
from orchestration.payloads.statistics import NamedUsage, StatisticsPayload
from orchestration.queries.statistics import DAYS_DEFAULT, Range, range_of, statistics

RANGES = ((7, "7 days"), (30, "30 days"), (90, "90 days"), (365, "1 year"))
NOUNS = (("model", "Models"), ("agent", "Agents"), ("user", "Users"), ("node", "Nodes"), ("type", "Types"))
LONGEST = 200


@require_safe
@page
def index(request: HttpRequest) -> HttpResponse:
    """``days``, or ``first_day`` and ``last_day``; names by model, agent, user, node and type."""
    among, days = _range(request)
    where = {noun: name for noun, _ in NOUNS if (name := request.GET.get(noun, "")[:LONGEST])}
    found = statistics(among, **where)
    asked: dict[str, Any] = {"days": days} if days else {"first_day": found["first_day"], "last_day": found["last_day"]}
    context = {
        "found": found,
        "total": found["total"],
        "ended": found["total"]["completed"] + found["total"]["failed"],
        "chart": chart_of(found["by_day"]),
        "parts": [_part(found, noun, title, asked, where) for noun, title in NOUNS],
        "ranges": [(words, urlencode([("days", size), *where.items()]), size == days) for size, words in RANGES],
        "chips": [(noun, name, _without(asked, where, noun)) for noun, name in where.items()],
        "where": where,
        "sheet_query": urlencode(asked | {noun: where[noun] for noun in ("agent", "user") if noun in where}),
    }
    return render(request, "outputs/stats.html", context)


def _range(request: HttpRequest) -> tuple[Range, int | None]:
    """And how many days up to today that is, unless it was asked for by its days."""
    first, last = _day(request, "first_day"), _day(request, "last_day")
    if first or last:
        return range_of(first, last), None
    days = request.GET.get("days", "")
    count = int(days) if days.isascii() and days.isdecimal() and len(days) < 6 else DAYS_DEFAULT
    return range_of(days=max(1, count)), max(1, count)


def _day(request: HttpRequest, name: str) -> date | None:
    text = request.GET.get(name, "")
    try:
        found = parse_date(text) if text else None
    except ValueError as error:
        raise InvalidInput(f"There is no day {text[:20]}.", field=name) from error
    if text and found is None:
        raise InvalidInput("A day is written as 2026-03-01.", field=name)
    return found


def _part(
    found: StatisticsPayload, noun: str, title: str, asked: dict[str, Any], where: dict[str, str]
) -> dict[str, Any]:
    rows: list[NamedUsage] = found[f"by_{noun}"]  # type: ignore[literal-required]
    most = max((row["gpu_seconds"] for row in rows), default=0.0)
    return {
        "noun": noun,
        "title": title,
        "rows": [
            {
                **row,
                "share": round(100 * row["gpu_seconds"] / most, 1) if most else 0,
                "query": urlencode({**asked, **where, noun: row["name"]}),
            }
            for row in rows
        ],
        "rated": any(row["rated"] for row in rows),
    }


def _without(asked: dict[str, Any], where: dict[str, str], noun: str) -> str:
    return urlencode({**asked, **{name: value for name, value in where.items() if name != noun}})
