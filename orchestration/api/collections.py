"""Collections of answers over REST."""

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Query, Router
from ninja.responses import Status
from pydantic import Field
from typing_extensions import TypedDict

from orchestration.api.auth import actor_of, viewer_of
from orchestration.api.bodies import Body
from orchestration.api.paging import page
from orchestration.api.problems import errors
from orchestration.api.schemas import LIMIT_DEFAULT, Cursor, Limit
from orchestration.payloads.outputs import CollectionPayload
from orchestration.queries.collections import collection_detail, collections
from orchestration.queries.ids import MOST, ids_of
from orchestration.services import collections as service

router = Router(tags=["outputs"])
Id = Annotated[int, Field(ge=1, le=MOST)]
Ids = Annotated[list[Id], Field(max_length=service.MOST_AT_ONCE)]
Name = Annotated[str, Field(min_length=1, max_length=120)]


class CollectionNew(Body):
    name: Name
    description: str = ""
    ids: Ids = []


class CollectionChanges(Body):
    """What is left out stays as it is."""

    name: Name = ""
    description: str = ""


class Members(Body):
    """Answers, by the ids of their tasks."""

    ids: Annotated[Ids, Field(min_length=1)]


class CollectionList(TypedDict):
    """By name."""

    collections: list[CollectionPayload]
    next_cursor: str | None


@router.get("/collections", response={200: CollectionList, **errors(403)}, summary="List collections by name")
def list_collections(request: HttpRequest, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None) -> CollectionList:
    viewer_of(request)
    rows, following = page(collections(), limit=limit, cursor=cursor)
    return CollectionList(collections=rows, next_cursor=following)


@router.post("/collections", response={201: CollectionPayload, **errors(403, 409)}, summary="Make a collection")
def create_collection(request: HttpRequest, body: CollectionNew) -> Status[CollectionPayload]:
    row = service.create(actor=actor_of(request), name=body.name, description=body.description, task_ids=body.ids)
    return Status(201, collection_detail(row.pk))


@router.get(
    "/collections/{int:collection_id}", response={200: CollectionPayload, **errors(403, 404)}, summary="A collection"
)
def get_collection(request: HttpRequest, collection_id: int) -> CollectionPayload:
    """Its answers are those that ``GET outputs?collection=ID`` finds."""
    viewer_of(request)
    return collection_detail(collection_id)


@router.patch(
    "/collections/{int:collection_id}",
    response={200: CollectionPayload, **errors(403, 404, 409)},
    summary="Rename or describe a collection",
)
def change_collection(request: HttpRequest, collection_id: int, body: CollectionChanges) -> CollectionPayload:
    changes: dict[str, Any] = body.model_dump(exclude_unset=True)
    service.edit(actor=actor_of(request), collection_id=collection_id, **changes)
    return collection_detail(collection_id)


@router.delete(
    "/collections/{int:collection_id}", response={204: None, **errors(403, 404)}, summary="Delete a collection"
)
def delete_collection(request: HttpRequest, collection_id: int) -> Status[None]:
    """Its answers stay."""
    service.delete(actor=actor_of(request), collection_id=collection_id)
    return Status(204, None)


@router.post(
    "/collections/{int:collection_id}/outputs",
    response={200: CollectionPayload, **errors(403, 404, 409)},
    summary="Put answers into a collection",
)
def add_outputs(request: HttpRequest, collection_id: int, body: Members) -> CollectionPayload:
    service.add(actor=actor_of(request), collection_id=collection_id, task_ids=body.ids)
    return collection_detail(collection_id)


@router.delete(
    "/collections/{int:collection_id}/outputs",
    response={200: CollectionPayload, **errors(403, 404)},
    summary="Take answers out of a collection",
)
def remove_outputs(
    request: HttpRequest, collection_id: int, ids: Annotated[str, Query(description="Of tasks: 1,2,3.")]
) -> CollectionPayload:
    service.remove(actor=actor_of(request), collection_id=collection_id, task_ids=ids_of(ids))
    return collection_detail(collection_id)
