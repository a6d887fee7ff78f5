"""Runs over REST: what was submitted together."""

from django.http import HttpRequest
from ninja import Router

from orchestration import queries
from orchestration.api.auth import actor_of, viewer_of
from orchestration.api.problems import errors
from orchestration.api.schemas import LIMIT_DEFAULT, CancelledRun, Cursor, Limit, RunList
from orchestration.payloads import RunPayload
from orchestration.services import tasks as service

router = Router(tags=["runs"])


@router.get("/runs", response={200: RunList, **errors(403)}, summary="List runs, newest first")
def list_runs(request: HttpRequest, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None) -> RunList:
    viewer_of(request)
    rows, following = queries.runs(limit=limit, cursor=cursor)
    return RunList(runs=rows, next_cursor=following)


@router.get("/runs/{int:run_id}", response={200: RunPayload, **errors(403, 404)}, summary="A run with its results")
def get_run(request: HttpRequest, run_id: int) -> RunPayload:
    viewer_of(request)
    return queries.run_detail(run_id)


@router.post(
    "/runs/{int:run_id}/cancel",
    response={200: CancelledRun, **errors(403, 404)},
    summary="Cancel what has not ended",
)
def cancel_run(request: HttpRequest, run_id: int) -> CancelledRun:
    cancelled = service.cancel_run(actor=actor_of(request), run_id=run_id)
    return CancelledRun(id=run_id, cancelled=cancelled, status=queries.run_detail(run_id)["status"])
