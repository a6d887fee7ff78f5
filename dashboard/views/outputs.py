"""Outputs: the search with its facets, the reader beside it, ratings and tags."""

import json
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from dashboard.found import chips, facet_groups, sorts, url_of
from dashboard.views import actor, done, page
from orchestration.errors import InvalidInput
from orchestration.models import Output
from orchestration.payloads.outputs import CollectionPayload, OutputPayload
from orchestration.permissions import Action, Actor, refusal
from orchestration.policy.retention import Rule
from orchestration.policy.snippets import hits
from orchestration.queries.collections import collections, get_collection
from orchestration.queries.ids import id_of
from orchestration.queries.output_filter import OutputFilter
from orchestration.queries.outputs import get_output, in_full, search
from orchestration.queries.retention import rules
from orchestration.services import outputs as service

PAGE_ROWS = 25
MOST_HITS = 60
SAMPLE_COMMAND = 'drover outputs search "invoice -draft" --rating 5'
EXPORT_KINDS = (("jsonl", "JSON lines"), ("csv", "CSV"), ("markdown", "Markdown"), ("zip", "Zip, a file for each"))


@require_safe
@page
def index(request: HttpRequest) -> HttpResponse:
    """``open``: the answer in the reader."""
    asked = OutputFilter.from_query(request.GET)
    cursor = request.GET.get("cursor")
    found = search(asked, limit=PAGE_ROWS, cursor=cursor)
    opened = id_of(request.GET.get("open", ""))
    every, who = collections(), actor(request)
    query = asked.to_query()
    context = {
        "found": found,
        "asked": asked,
        "query": query,
        "cursor": cursor,
        "next_query": _and(query, f"cursor={found['next_cursor']}") if found["next_cursor"] else "",
        "first_url": url_of(asked),
        "chips": chips(asked, {str(each["id"]): each["name"] for each in every}),
        "facet_groups": facet_groups(asked, found["facets"]),
        "hidden_fields": [(kind, value) for kind, values in asked.kinds.items() for value in sorted(values)],
        "sorts": sorts(asked),
        "collections": every,
        "collection": _chosen(asked, every, who),
        "why_no_collecting": refusal(who, Action.EDIT_COLLECTION) or "",
        "retention": retention_words(),
        "opened": opened,
        "sample_command": SAMPLE_COMMAND,
        "export_kinds": EXPORT_KINDS,
        **(_reader(get_output(opened), asked, who, every) if opened else {}),
    }
    return render(request, "outputs/index.html", context)


def _and(query: str, more: str) -> str:
    return f"{query}&{more}" if query else more


def _chosen(asked: OutputFilter, every: list[CollectionPayload], who: Actor) -> dict[str, Any] | None:
    """The collection that the page shows, where it is just one."""
    if len(asked.collection) != 1:
        return None
    wanted = id_of(min(asked.collection))
    found = next((each for each in every if each["id"] == wanted), None)
    if found is None:
        return None
    why_not = refusal(who, Action.EDIT_COLLECTION, get_collection(found["id"])) or ""
    return {**found, "why_no_edit": why_not}


def retention_words(agent_name: str = "") -> str:
    """What becomes of texts, for one agent or in general; empty where they stay for good."""
    every = rules()
    own = next((rule for rule in every if agent_name and rule.agent == agent_name), None)
    rule = own or next((rule for rule in every if rule.agent_id is None), None)
    return _kept(rule) if rule else ""


def _kept(rule: Rule) -> str:
    words = []
    if rule.text_days is not None:
        words.append(f"text removed after {_days(rule.text_days)}, numbers kept")
    if rule.task_days is not None:
        words.append(f"everything removed after {_days(rule.task_days)}")
    return "; ".join(words) + (" (not in collections)" if words and rule.keep_collected else "")


def _days(days: int) -> str:
    return f"{days:,} day{'s' if days != 1 else ''}"


@require_safe
@page
def detail(request: HttpRequest, task_id: int) -> HttpResponse:
    """An answer by itself: what a link leads to, and where the reader of the search gets its text."""
    asked = OutputFilter.from_query(request.GET)
    context = {"asked": asked, "back": url_of(asked), "query": asked.to_query()}
    reader = _reader(get_output(task_id), asked, actor(request), collections())
    return render(request, "outputs/detail.html", {**context, **reader})


def _reader(row: Output, asked: OutputFilter, who: Actor, every: list[CollectionPayload]) -> dict[str, Any]:
    shown = in_full(row, asked.terms.wanted)
    inside = {each["id"] for each in shown["collections"]}
    return {
        "output": shown,
        "hits": json.dumps(_hits(shown, asked)),
        "agent_retention": retention_words(row.agent_name),
        "why_no_edit": refusal(who, Action.EDIT_OUTPUT, row) or "",
        "why_no_collecting": refusal(who, Action.EDIT_COLLECTION) or "",
        "stars": range(1, service.BEST_RATING + 1),
        "addable": [each for each in every if each["id"] not in inside],
    }


def _hits(shown: OutputPayload, asked: OutputFilter) -> list[str]:
    """What was found, as the texts spell it, for the reader to mark."""
    terms = asked.terms.wanted
    found = {text[start:end] for text in (shown["prompt"], shown["output"]) for start, end, _ in hits(text, terms)}
    return sorted(found, key=len, reverse=True)[:MOST_HITS]


@require_POST
@page
def edit(request: HttpRequest, task_id: int) -> HttpResponse:
    """What the form sends is set: ``rating`` (0 takes it away), ``tags`` with commas, ``note``."""
    fields: dict[str, Any] = {}
    if "rating" in request.POST:
        rating = id_of(request.POST["rating"])
        if rating is None:
            raise InvalidInput("A rating is a number.", field="rating")
        fields["rating"] = rating or None
    if "tags" in request.POST:
        fields["tags"] = request.POST["tags"].split(",")
    if "note" in request.POST:
        fields["note"] = request.POST["note"]
    row = service.edit(actor=actor(request), task_id=task_id, **fields)
    words = "Saved."
    if "rating" in fields:
        words = f"Rated {row.rating} of {service.BEST_RATING}." if row.rating else "Its rating is gone."
    return done(request, words)
