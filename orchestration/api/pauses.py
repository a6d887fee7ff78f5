"""Pauses over REST: what starts nothing new until it is resumed."""

from django.http import HttpRequest
from ninja import Router
from ninja.responses import Status

from orchestration import queries
from orchestration.api.auth import actor_of, viewer_of
from orchestration.api.paging import page
from orchestration.api.problems import errors
from orchestration.api.schemas import LIMIT_DEFAULT, Cursor, Limit, PauseList, PauseNew
from orchestration.payloads import PausePayload
from orchestration.policy.states import PauseKind
from orchestration.services import pauses as service

router = Router(tags=["pauses"])


@router.get("/pauses", response={200: PauseList, **errors(403)}, summary="List what is paused")
def list_pauses(request: HttpRequest, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None) -> PauseList:
    viewer_of(request)
    rows, following = page(queries.paused(), limit=limit, cursor=cursor)
    return PauseList(pauses=rows, next_cursor=following)


@router.post(
    "/pauses",
    response={200: PausePayload, 201: PausePayload, **errors(403, 404, 413)},
    summary="Pause a priority, an agent or a model",
)
def add_pause(request: HttpRequest, body: PauseNew) -> Status[PausePayload]:
    """Nothing new starts, what runs goes on. 200 with the pause that is there when it is paused already."""
    row, new = service.pause(actor=actor_of(request), kind=body.kind, key=_key(body.kind, body.key), note=body.note)
    found = next(item for item in queries.paused() if (item["kind"], item["key"]) == (row.kind, row.key))
    return Status(201 if new else 200, found)


@router.delete("/pauses/{kind}/{path:key}", response={204: None, **errors(403, 404)}, summary="Resume")
def remove_pause(request: HttpRequest, kind: PauseKind, key: str) -> Status[None]:
    """204 too when it was not paused."""
    key = key.rstrip("/")
    service.resume(actor=actor_of(request), kind=kind, key=_key(kind, key))
    return Status(204, None)


def _key(kind: PauseKind, key: str) -> str:
    """Agents are named by id or by name here as everywhere below this door."""
    return str(queries.get_agent(key).pk) if kind == PauseKind.AGENT else key
