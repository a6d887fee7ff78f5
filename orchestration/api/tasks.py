"""Tasks over REST: submitted, listed, followed, cancelled, retried."""

import hashlib
import json
from typing import Annotated

from django.http import HttpRequest, HttpResponseBase, JsonResponse, StreamingHttpResponse
from ninja import Header, Router
from ninja.responses import Status

from orchestration import queries
from orchestration.api.auth import actor_of, viewer_of
from orchestration.api.bodies import Body, read_body
from orchestration.api.problems import errors
from orchestration.api.schemas import LIMIT_DEFAULT, Cursor, Limit, SubmitBody, TaskChanges, TaskList, Wait
from orchestration.api.specs import specs_of
from orchestration.api.stream import lines
from orchestration.api.threads import give_up_request_thread, in_request_thread
from orchestration.api.watching import run_ended
from orchestration.payloads import RunPayload, TaskPayload
from orchestration.services import tasks as service

router = Router(tags=["tasks"])
NDJSON = "application/x-ndjson"

_BODY = {
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/SubmitBody"}}},
    "required": True,
}

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="A repeated request with the same key answers with the run that the first one made.",
    ),
]


@router.post(
    "/tasks",
    response={200: RunPayload, 202: RunPayload, **errors(403, 404, 409, 413, 422, 429)},
    summary="Submit tasks",
    openapi_extra={"requestBody": _BODY},
)
async def submit_tasks(
    request: HttpRequest, wait: Wait = 0, idempotency_key: IdempotencyKey = None
) -> HttpResponseBase:
    """Answers 202 while something is unfinished, 200 when all tasks have ended. ``id`` is the run's.

    With ``wait`` it answers when all have ended or that many seconds are over, whichever is first.
    """
    run_id = await in_request_thread(_submit, request, idempotency_key)
    if wait:
        give_up_request_thread()
        await run_ended(run_id, wait)
    return await in_request_thread(_answer, run_id)


def _submit(request: HttpRequest, key: str | None) -> int:
    """In a thread from the first byte on: thousands of tasks take a while to read."""
    body = read_body(request, SubmitBody)
    run = service.submit(
        actor=actor_of(request),
        agent=queries.get_agent(str(body.agent_id)),
        specs=specs_of(body),
        sequential=body.sequential,
        continue_on_error=body.continue_on_error,
        idempotency_key=key,
        request_hash=fingerprint(body) if key else "",
        allow_missing_models=body.allow_missing_models,
    )
    return run.pk


def fingerprint(body: Body, *about: str) -> str:
    """The same for the same request, however it is spaced and ordered. ``about``: what its path says."""
    text = json.dumps(body.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256("\n".join([*about, text]).encode()).hexdigest()


def _answer(run_id: int) -> JsonResponse:
    run = queries.run_detail(run_id)
    return JsonResponse(run, status=202 if run["status"] in ("pending", "running") else 200)


@router.get("/tasks", response={200: TaskList, **errors(403)}, summary="List tasks, newest first")
def list_tasks(request: HttpRequest, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None) -> TaskList:
    """Filters as in the address of the task page: status, model, node, agent, owner, priority, type, tag, run, text."""
    viewer_of(request)
    wanted = request.GET.copy()
    for name in ("limit", "cursor"):
        wanted.pop(name, None)
    page = queries.task_rows(queries.TaskFilter.from_query(wanted), limit=limit, cursor=cursor)
    return TaskList(tasks=page.rows, next_cursor=page.next_cursor, prev_cursor=page.prev_cursor)


@router.get("/tasks/{int:task_id}", response={200: TaskPayload, **errors(403, 404)}, summary="A task with its attempts")
def get_task(request: HttpRequest, task_id: int) -> TaskPayload:
    viewer_of(request)
    return queries.task_detail(task_id)


@router.patch(
    "/tasks/{int:task_id}",
    response={200: TaskPayload, **errors(403, 404, 409, 413)},
    summary="Change priority or tags of a waiting task",
)
def change_task(request: HttpRequest, task_id: int, body: TaskChanges) -> TaskPayload:
    service.edit_waiting(actor=actor_of(request), task_id=task_id, **body.model_dump(exclude_unset=True))
    return queries.task_detail(task_id)


@router.delete("/tasks/{int:task_id}", response={204: None, **errors(403, 404, 409)}, summary="Delete an ended task")
def delete_task(request: HttpRequest, task_id: int) -> Status[None]:
    queries.get_task(task_id)
    service.delete_ended(actor=actor_of(request), task_ids=[task_id])
    return Status(204, None)


@router.post(
    "/tasks/{int:task_id}/cancel",
    response={200: TaskPayload, **errors(403, 404, 409)},
    summary="Cancel a task",
)
def cancel_task(request: HttpRequest, task_id: int) -> TaskPayload:
    """A waiting task ends at once; a running one is asked to stop and ends as cancelled when it has."""
    service.cancel(actor=actor_of(request), task_id=task_id)
    return queries.task_detail(task_id)


@router.post(
    "/tasks/{int:task_id}/retry",
    response={200: TaskPayload, **errors(403, 404, 409)},
    summary="Try a failed or cancelled task again",
)
def retry_task(request: HttpRequest, task_id: int) -> TaskPayload:
    """The same task, a new attempt."""
    service.retry(actor=actor_of(request), task_id=task_id)
    return queries.task_detail(task_id)


@router.get(
    "/tasks/{int:task_id}/stream",
    response={200: None, **errors(403, 404)},
    summary="Follow a task",
    openapi_extra={"responses": {200: {"content": {NDJSON: {"schema": {"$ref": "#/components/schemas/StreamLine"}}}}}},
)
async def stream_task(request: HttpRequest, task_id: int) -> HttpResponseBase:
    """One JSON object a line: first all text written so far, then live, last the task in its final state.

    A line of type ``attempt`` means that the text begins anew. The last line alone has the field ``status``.
    """
    await in_request_thread(_viewable, request, task_id)
    response = StreamingHttpResponse(lines(task_id), content_type=NDJSON)
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response


def _viewable(request: HttpRequest, task_id: int) -> None:
    viewer_of(request)
    queries.get_task(task_id)
