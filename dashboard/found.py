"""How the page of outputs shows what a search found: facets and chips with their words and addresses."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from django.urls import reverse

from orchestration.payloads.outputs import FacetValue
from orchestration.policy.output_marks import LENGTHS, LONGEST, UNRATED
from orchestration.queries.output_filter import OutputFilter

MOST_VALUES = 12
TITLES = {
    "model": "Model",
    "agent": "Agent",
    "rating": "Rating",
    "tag": "Tag",
    "owner": "User",
    "month": "Month",
    "week": "Week",
    "day": "Day",
    "length": "Length",
    "json": "JSON",
    "type": "Type",
    "node": "Node",
}
OPEN = frozenset({"model", "agent", "rating"})
SORTS = (("relevance", "Best match"), ("newest", "Newest"), ("rating", "Best rated"))
_SIZES = dict(zip((*LENGTHS, LONGEST), ("under 500", "500 to 2,000", "2,000 to 8,000", "8,000 and more"), strict=True))


def url_of(asked: OutputFilter) -> str:
    query = asked.to_query()
    return f"{reverse('outputs')}?{query}" if query else reverse("outputs")


def toggled(asked: OutputFilter, kind: str, value: str) -> str:
    changed: dict[str, Any] = {kind: getattr(asked, kind) ^ {value}}
    return url_of(replace(asked, **changed))


def facet_groups(asked: OutputFilter, facets: Mapping[str, Sequence[FacetValue]]) -> list[dict[str, Any]]:
    """Kinds that tell answers apart, and those by which they are narrowed already."""
    groups = [_group(asked, kind, facets.get(kind, ())) for kind in TITLES]
    return [group for group in groups if len(group["values"]) > 1 or group["chosen"]]


def _group(asked: OutputFilter, kind: str, values: Sequence[FacetValue]) -> dict[str, Any]:
    chosen: frozenset[str] = getattr(asked, kind)
    counted = {each["value"]: each["count"] for each in values if each["count"]}
    shown = list(counted)[:MOST_VALUES]
    shown += sorted(chosen - set(shown))
    return {
        "name": kind,
        "title": TITLES[kind],
        "chosen": bool(chosen),
        "open": kind in OPEN or bool(chosen),
        "values": [
            {
                "value": value,
                "label": word(kind, value),
                "stars": int(value) if kind == "rating" and value != UNRATED else 0,
                "count": counted.get(value, 0),
                "active": value in chosen,
                "url": toggled(asked, kind, value),
            }
            for value in shown
        ],
    }


def chips(asked: OutputFilter, collection_names: Mapping[str, str]) -> list[dict[str, str]]:
    found = [
        {
            "name": TITLES.get(kind, kind).lower(),
            "label": collection_names.get(value, value) if kind == "collection" else word(kind, value),
            "url": toggled(asked, kind, value),
        }
        for kind, values in asked.kinds.items()
        for value in sorted(values)
    ]
    if asked.since:
        found.append({"name": "since", "label": f"{asked.since:%Y-%m-%d}", "url": url_of(replace(asked, since=None))})
    if asked.until:
        last = asked.until - timedelta(microseconds=1)
        found.append({"name": "until", "label": f"{last:%Y-%m-%d}", "url": url_of(replace(asked, until=None))})
    return found


def sorts(asked: OutputFilter) -> list[dict[str, Any]]:
    """Nothing matches best where there are no words."""
    return [
        {"name": name, "title": title, "active": asked.order == name, "url": url_of(replace(asked, sort=name))}
        for name, title in SORTS
        if name != "relevance" or asked.terms.wanted
    ]


def word(kind: str, value: str) -> str:
    """A value as people say it; anything unexpected as it is."""
    match kind:
        case "rating":
            return "not rated" if value == UNRATED else f"{value} star{'s' if value != '1' else ''}"
        case "json":
            return "has JSON" if value == "yes" else "no JSON"
        case "length":
            return f"{_SIZES[value]} characters"
        case "month" | "week" | "day":
            return _when(kind, value)
    return value


def _when(kind: str, value: str) -> str:
    try:
        if kind == "month":
            return f"{date.fromisoformat(f'{value}-01'):%B %Y}"
        if kind == "week":
            first = date.fromisocalendar(int(value[:4]), int(value[6:]), 1)
            return f"week {value[6:]}, from {first.day} {first:%b %Y}"
        day = date.fromisoformat(value)
        return f"{day.day} {day:%b %Y}"
    except ValueError:
        return value
