"""How Drover is doing, over REST: totals, recent errors, workers."""

from typing import cast

from django.http import HttpRequest
from ninja import Router
from typing_extensions import TypedDict

from orchestration import queries
from orchestration.api.auth import viewer_of
from orchestration.api.paging import page
from orchestration.api.problems import errors
from orchestration.api.schemas import LIMIT_DEFAULT, Cursor, Limit

router = Router(tags=["status"])

MOST_ERRORS = 2000
"""How far back the list of errors can be paged."""


class Ended(TypedDict):
    completed: int
    failed: int


class MetricsAnswer(TypedDict):
    """Totals over all tasks. ``success_rate`` is of those completed or failed; ``routing`` is agent to model."""

    total: int
    completed: int
    failed: int
    cancelled: int
    pending: int
    running: int
    success_rate: float | None
    by_model: dict[str, Ended]
    by_node: dict[str, Ended]
    routing: dict[str, dict[str, int]]


class ErrorRow(TypedDict):
    """An attempt that failed or was lost. ``retry_at`` when its task is tried again."""

    task_id: int
    title: str
    attempt: int
    at: str
    node: str
    model: str
    agent: str
    error_code: str
    error: str
    retry_at: str | None
    task_status: str


class ErrorList(TypedDict):
    errors: list[ErrorRow]
    next_cursor: str | None


class WorkerRow(TypedDict):
    name: str
    hostname: str
    pid: int
    capacity: int
    in_use: int
    stopping: bool
    alive: bool
    started_at: str
    seen_at: str


class WorkerList(TypedDict):
    workers: list[WorkerRow]
    next_cursor: str | None


@router.get("/metrics", response={200: MetricsAnswer, **errors(403)}, summary="Totals")
def get_metrics(request: HttpRequest) -> MetricsAnswer:
    viewer_of(request)
    return cast(MetricsAnswer, queries.metrics())


@router.get("/errors", response={200: ErrorList, **errors(403)}, summary="Attempts that failed, newest first")
def list_errors(request: HttpRequest, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None) -> ErrorList:
    viewer_of(request)
    rows, following = page(queries.errors(limit=MOST_ERRORS), limit=limit, cursor=cursor)
    return ErrorList(errors=cast(list[ErrorRow], rows), next_cursor=following)


@router.get("/workers", response={200: WorkerList, **errors(403)}, summary="Workers heard of lately")
def list_workers(request: HttpRequest, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None) -> WorkerList:
    viewer_of(request)
    rows, following = page(queries.workers(), limit=limit, cursor=cursor)
    return WorkerList(workers=cast(list[WorkerRow], rows), next_cursor=following)
