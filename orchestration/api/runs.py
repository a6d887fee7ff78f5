"""Runs over REST: what was submitted together, and what can be done with it as a whole."""

from typing import Annotated

from django.http import HttpRequest
from ninja import Query, Router
from pydantic import Field

from orchestration import queries
from orchestration.api.auth import actor_of, viewer_of
from orchestration.api.bodies import Body
from orchestration.api.problems import errors
from orchestration.api.schemas import LIMIT_DEFAULT, CancelledRun, Cursor, Limit, RunList, ShortText
from orchestration.payloads import RunPayload
from orchestration.policy.states import RunKind
from orchestration.services import reruns
from orchestration.services import runs as service

router = Router(tags=["runs"])

Kind = Annotated[RunKind | None, Query(description="Only runs of this kind.")]

WithTasks = Annotated[bool, Query(description="With its tasks and results; else only how far it is.")]


class RunChanges(Body):
    """What is left out stays as it is; null takes a limit away."""

    max_parallel: Annotated[int, Field(ge=1, le=10_000)] | None = None
    stop_failed_percent: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] | None = None


class Rerun(Body):
    step: ShortText = Field(description="A step's name or its number, from 1 on.")


@router.get("/runs", response={200: RunList, **errors(403)}, summary="List runs, newest first")
def list_runs(request: HttpRequest, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None, kind: Kind = None) -> RunList:
    viewer_of(request)
    rows, following = queries.runs(limit=limit, cursor=cursor, kind=kind)
    return RunList(runs=rows, next_cursor=following)


@router.get("/runs/{int:run_id}", response={200: RunPayload, **errors(403, 404)}, summary="A run with its results")
def get_run(request: HttpRequest, run_id: int, tasks: WithTasks = True) -> RunPayload:
    viewer_of(request)
    return queries.run_detail(run_id) if tasks else queries.run_summary(run_id)


@router.patch(
    "/runs/{int:run_id}",
    response={200: RunPayload, **errors(403, 404, 409, 413)},
    summary="Change the limits of a run while it runs",
)
def change_run(request: HttpRequest, run_id: int, body: RunChanges) -> RunPayload:
    service.set_limits(actor=actor_of(request), run_id=run_id, **body.model_dump(exclude_unset=True))
    return queries.run_summary(run_id)


@router.post(
    "/runs/{int:run_id}/cancel",
    response={200: CancelledRun, **errors(403, 404)},
    summary="Cancel what has not ended",
)
def cancel_run(request: HttpRequest, run_id: int) -> CancelledRun:
    cancelled = service.cancel(actor=actor_of(request), run_id=run_id)
    return CancelledRun(id=run_id, cancelled=cancelled, status=queries.run_summary(run_id)["status"])


@router.post(
    "/runs/{int:run_id}/pause",
    response={200: RunPayload, **errors(403, 404, 409)},
    summary="Start nothing more of a run; what runs goes on",
)
def pause_run(request: HttpRequest, run_id: int) -> RunPayload:
    service.pause(actor=actor_of(request), run_id=run_id)
    return queries.run_summary(run_id)


@router.post(
    "/runs/{int:run_id}/resume", response={200: RunPayload, **errors(403, 404, 409)}, summary="Resume a paused run"
)
def resume_run(request: HttpRequest, run_id: int) -> RunPayload:
    service.resume(actor=actor_of(request), run_id=run_id)
    return queries.run_summary(run_id)


@router.post(
    "/runs/{int:run_id}/retry",
    response={200: RunPayload, **errors(403, 404, 409)},
    summary="Do again what failed, and what was not started because of it",
)
def retry_run(request: HttpRequest, run_id: int) -> RunPayload:
    service.retry_failed(actor=actor_of(request), run_id=run_id)
    return queries.run_summary(run_id)


@router.post(
    "/runs/{int:run_id}/rerun",
    response={202: RunPayload, **errors(403, 404, 409, 413, 422, 429)},
    summary="A new run from one of the steps on; what stands before it is taken over",
)
def rerun(request: HttpRequest, run_id: int, body: Rerun) -> tuple[int, RunPayload]:
    new = reruns.rerun_from(actor=actor_of(request), run_id=run_id, step=body.step)
    return 202, queries.run_summary(new.pk)
