"""Models as the fleet knows them: the list, one in full, and what can be pulled."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from dashboard.templatetags.marks import series_of
from dashboard.views import actor, done, page
from orchestration import queries
from orchestration.errors import InvalidInput, NotFound
from orchestration.models import Node
from orchestration.payloads.models import FleetListing, NameStatusPayload
from orchestration.permissions import Action, refusal
from orchestration.policy.routing import full_name
from orchestration.policy.states import ErrandType, PauseKind
from orchestration.queries import catalogue as catalogue_queries
from orchestration.queries import model_usage, models
from orchestration.queries.ids import id_of
from orchestration.services import errands, listings

ANSWERS_SHOWN = 80
"""Models of the catalogue on a page; the search finds the others."""


@require_safe
@page
def index(request: HttpRequest) -> HttpResponse:
    """Shown at once from what is known, however old; what is old is looked at again meanwhile."""
    now = timezone.now()
    listings.ask_where_old(limits=models.limits(), now=now)
    groups = models.groups(now=now)
    names = [row["name"] for group in groups for row in group["variants"]]
    context = {
        "groups": groups,
        "count": len(names),
        "series": series_of(names),
        "used": model_usage.tasks_by_model(window="24h", now=now),
        "paused": queries.pauses.paused_models(),
        **_listing(request, models.fleet_listing(now=now)),
    }
    return render(request, "models/index.html", context)


def _listing(request: HttpRequest, listing: FleetListing) -> dict[str, Any]:
    """How old what is shown is. Nodes that nobody need worry about are left out."""
    doubtful = [node for node in listing["nodes"] if node["state"] != "fresh" or node["error"] or node["looking"]]
    return {
        "listing": listing,
        "doubtful": doubtful,
        "why_no_refresh": refusal(actor(request), Action.REFRESH_MODELS) or "",
    }


@require_safe
@page
def detail(request: HttpRequest, name: str) -> HttpResponse:
    name, now = full_name(name), timezone.now()
    listings.ask_where_old(limits=models.limits(), now=now)
    try:
        found = models.model(name, now=now)
    except NotFound:
        return _absent(request, models.status(name))
    context = {
        "model": found,
        "name": name,
        "paused": queries.pauses.words().get((PauseKind.MODEL, name), ""),
        "dependents": models.dependents(name),
        "usage": model_usage.of_model(name, now=now),
        "others": found["status"]["others"],
        "places_without": _places_without(found["installed_on"]),
        "why_not": refusal(actor(request), Action.EDIT_MODEL) or "",
        **_listing(request, found["listing"]),
    }
    return render(request, "models/detail.html", context)


def _places_without(installed_on: list[str]) -> list[Node]:
    return list(Node.objects.filter(enabled=True).exclude(name__in=installed_on))


def _absent(request: HttpRequest, known: NameStatusPayload) -> HttpResponse:
    """A model that no node has: what there is instead, and how to get it."""
    context = {
        "name": known["name"],
        "known": known,
        "dependents": models.dependents(known["name"]),
        "places_without": _places_without([]),
        "why_not": refusal(actor(request), Action.EDIT_MODEL) or "",
    }
    return render(request, "models/absent.html", context, status=200 if known["downloadable"] else 404)


@require_safe
@page
def catalogue(request: HttpRequest) -> HttpResponse:
    words, only = request.GET.get("q", "")[:200].strip(), request.GET.get("can", "")[:20]
    listing = catalogue_queries.listing(words=f"{words} {only}")
    rows = sorted(listing["models"], key=lambda row: not row["downloaded"])
    context = {
        "rows": rows[:ANSWERS_SHOWN] if words == "" and not only else rows,
        "count": len(rows),
        "state": listing,
        "words": words,
        "only": only,
        "kinds": ("tools", "vision", "thinking", "embedding"),
    }
    return render(request, "models/catalogue.html", context)


@require_POST
@page
def refresh(request: HttpRequest) -> HttpResponse:
    rows = listings.ask(actor=actor(request))
    words = "No node is enabled." if not rows else f"Looking again at {', '.join(row.name for row in rows)}."
    return done(request, words)


@require_POST
@page
def pull(request: HttpRequest, name: str) -> HttpResponse:
    """On the nodes that were ticked. The run is where it is followed."""
    chosen = [number for pk in request.POST.getlist("node") if (number := id_of(pk)) is not None]
    if not chosen:
        raise InvalidInput("Tick the nodes that are to have it.", field="node")
    run = errands.submit(actor=actor(request), type=ErrandType.PULL, models=[name], node_ids=chosen)
    nodes = f"{len(chosen)} node{'' if len(chosen) == 1 else 's'}"
    return done(request, f"{full_name(name)} is being pulled on {nodes}.", to=reverse("run", args=[run.pk]))
