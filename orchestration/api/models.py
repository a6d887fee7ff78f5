"""Models over REST: what is where and how sure that is, one in full, what can be pulled, what was used."""

import asyncio
from typing import Annotated

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router
from ninja.responses import Status
from pydantic import Field
from typing_extensions import TypedDict

from orchestration import queries
from orchestration.api.auth import actor_of, viewer_of
from orchestration.api.bodies import Body
from orchestration.api.model_actions import router as actions
from orchestration.api.paging import page
from orchestration.api.problems import errors
from orchestration.api.schemas import LIMIT_DEFAULT, MANY, Cursor, Limit, either
from orchestration.api.threads import in_request_thread
from orchestration.errors import NotFound
from orchestration.payloads.catalogue import CataloguePayload
from orchestration.payloads.models import DetailsPayload, FleetListing
from orchestration.queries import catalogue, model_usage, models
from orchestration.queries.dependents import Dependent
from orchestration.queries.model_usage import ModelUsage, UsagePayload
from orchestration.queries.models import ModelGroup, ModelPayload
from orchestration.queries.status import scheduler_leads
from orchestration.services import listings

router = Router(tags=["models"])

LOOK_SECONDS = 4.0
"""How long an answer waits for lists that have expired: nodes that answer at all have done so by then."""
AGAIN_SECONDS = 0.2

NodeRef = Annotated[int | str, either(int, str, words="a node's id or name")]


class ModelList(TypedDict):
    """``listing``: how old the nodes' lists are that this was made of."""

    models: list[ModelGroup]
    listing: FleetListing
    next_cursor: str | None


class DependentsPayload(TypedDict):
    named_by: list[Dependent]
    conversations: int
    tasks: int
    words: str


class ModelInFull(ModelPayload):
    dependents: DependentsPayload
    usage: ModelUsage


class ModelStats(TypedDict):
    """By window (24h, 7d, 30d) and model."""

    windows: dict[str, dict[str, UsagePayload]]


class RefreshBody(Body):
    nodes: Annotated[list[NodeRef], Field(max_length=MANY, description="Ids or names; empty: all.")] = []


class RefreshAnswer(TypedDict):
    nodes: list[str]


@router.get("/models", response={200: ModelList, **errors(403)}, summary="Models on the nodes, by base name")
async def list_models(request: HttpRequest, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None) -> ModelList:
    """Answers at once from what is known. Lists older than a day are looked at again first, for some seconds at most;
    ``listing`` says how old each one is."""
    await in_request_thread(viewer_of, request)
    await up_to_date()
    return await in_request_thread(_list, limit, cursor)


def _list(limit: int, cursor: str | None) -> ModelList:
    rows, following = page(models.groups(), limit=limit, cursor=cursor)
    return ModelList(models=rows, listing=models.fleet_listing(), next_cursor=following)


async def up_to_date() -> None:
    """What is stale is asked for and not waited for; what has expired is, where it may come."""
    if not await in_request_thread(_ask):
        return
    for _ in range(round(LOOK_SECONDS / AGAIN_SECONDS)):
        await asyncio.sleep(AGAIN_SECONDS)
        if not await in_request_thread(_awaited):
            return


def _ask() -> bool:
    listings.ask_where_old(limits=models.limits(), now=timezone.now())
    return _awaited() and scheduler_leads(timezone.now())


def _awaited() -> bool:
    return listings.awaited(limits=models.limits(), now=timezone.now())


@router.get("/models/stats", response={200: ModelStats, **errors(403)}, summary="What was done with models")
def model_stats(request: HttpRequest) -> ModelStats:
    """Over the last day, week and month: tasks, tokens, speed, time to the first token, GPU seconds, who."""
    viewer_of(request)
    return ModelStats(windows=model_usage.by_model(now=timezone.now()))


@router.get("/models/catalogue", response={200: CataloguePayload, **errors(403)}, summary="Models that can be pulled")
def list_catalogue(
    request: HttpRequest,
    q: Annotated[str, Query(max_length=200, description="Words in name, description or capabilities.")] = "",
) -> CataloguePayload:
    """The bundled list, joined with what the library on the network told and with what is installed."""
    viewer_of(request)
    return catalogue.listing(words=q)


@router.post(
    "/models/refresh", response={202: RefreshAnswer, **errors(403, 404, 413)}, summary="Look again what is installed"
)
def refresh_models(request: HttpRequest, body: RefreshBody | None = None) -> Status[RefreshAnswer]:
    """On these nodes, or on all that are enabled. It takes some seconds; ``listing`` of a model says when."""
    wanted = [queries.get_node(str(ref)).pk for ref in body.nodes] if body and body.nodes else None
    return _refreshed(request, wanted)


@router.post(
    "/nodes/{node}/refresh", response={202: RefreshAnswer, **errors(403, 404)}, summary="Look again what it has"
)
def refresh_node(request: HttpRequest, node: str) -> Status[RefreshAnswer]:
    return _refreshed(request, [queries.get_node(node).pk])


def _refreshed(request: HttpRequest, node_ids: list[int] | None) -> Status[RefreshAnswer]:
    rows = listings.ask(actor=actor_of(request), node_ids=node_ids)
    return Status(202, RefreshAnswer(nodes=[row.name for row in rows]))


@router.get(
    "/models/{path:name}/details",
    response={200: DetailsPayload, **errors(403, 404)},
    summary="Template, parameters, licence and metadata",
)
async def model_details(request: HttpRequest, name: str) -> DetailsPayload:
    """Of the weights that most nodes have under this name. What nobody has told yet is asked for first."""
    await in_request_thread(viewer_of, request)
    found = await in_request_thread(models.details, name)
    if found is None and await in_request_thread(_ask_for, name):
        for _ in range(round(LOOK_SECONDS / AGAIN_SECONDS)):
            await asyncio.sleep(AGAIN_SECONDS)
            if found := await in_request_thread(models.details, name):
                break
    if found is None:
        raise NotFound(f"No node has told the details of {name} yet.", model=name)
    return found


def _ask_for(name: str) -> bool:
    """Of the nodes that have it; whether there is one that may answer."""
    places = models.model(name)["places"]
    listings.ask_at(node_ids=[place["node_id"] for place in places if place["installed"]], now=timezone.now())
    return any(place["installed"] and place["listing"]["reachable"] for place in places)


# On the same router as DELETE: one address is one view, which knows all its methods.
@actions.get("/models/{path:name}", response={200: ModelInFull, **errors(403, 404)}, summary="One model")
def get_model(request: HttpRequest, name: str) -> ModelInFull:
    """Where it is with which weights, how old that is, what was told of it, who depends on it, what was done with it.

    Names may contain ``/`` and ``:``; without a tag it is ``latest``.
    """
    viewer_of(request)
    found = models.dependents(name)
    return {
        **models.model(name),
        "dependents": DependentsPayload(
            named_by=list(found.named_by), conversations=found.conversations, tasks=found.tasks, words=found.words
        ),
        "usage": model_usage.of_model(name, now=timezone.now()),
    }
