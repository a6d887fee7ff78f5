"""Workflows over REST: run as they come; saved, changed, compared, restored, run again and again."""

import hashlib
import json
from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from ninja import Query, Router
from ninja.responses import Status

from orchestration.api.auth import actor_of, viewer_of
from orchestration.api.bodies import Body, read_body
from orchestration.api.paging import page
from orchestration.api.problems import errors
from orchestration.api.schemas import LIMIT_DEFAULT, Cursor, Limit, Wait
from orchestration.api.tasks import IdempotencyKey
from orchestration.api.threads import give_up_request_thread, in_request_thread
from orchestration.api.watching import run_ended
from orchestration.api.workflow_bodies import (
    YAML_TYPES,
    Difference,
    RunSaved,
    VersionList,
    WorkflowBody,
    WorkflowList,
    definition_in,
    plain,
)
from orchestration.errors import InvalidWorkflow
from orchestration.models import Workflow
from orchestration.payloads.workflows import (
    VersionPayload,
    WorkflowPayload,
    WorkflowRunPayload,
    workflow_version,
)
from orchestration.policy.workflow_text import to_yaml, with_lines
from orchestration.queries import workflows as queries
from orchestration.services import workflows as service

router = Router(tags=["workflows"])

Note = Annotated[str, Query(max_length=200, description="What this version changes.")]
AsText = Annotated[Literal["json", "yaml"], Query(alias="format", description="yaml: the definition alone, as text.")]
BasedOn = Annotated[int | None, Query(ge=1, le=10**9, description="409 unless this is the newest version still.")]

_TEXT: dict[str, Any] = {"schema": {"type": "string"}}


def _body(name: str, *, yaml: bool = False) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
    if yaml:
        content[YAML_TYPES[0]] = _TEXT
    return {"requestBody": {"content": content, "required": True}}


_MAY_BE_YAML = {"responses": {200: {"content": {YAML_TYPES[0]: _TEXT}}}}


@router.post(
    "/workflows",
    response={200: WorkflowRunPayload, 202: WorkflowRunPayload, **errors(403, 404, 409, 413, 422, 429)},
    summary="Run a workflow as it comes",
    openapi_extra=_body("WorkflowBody"),
)
async def run_workflow(
    request: HttpRequest, wait: Wait = 0, idempotency_key: IdempotencyKey = None
) -> HttpResponseBase:
    """Answers 202 while something is unfinished, 200 when all steps have ended. ``id`` is the run's.

    Steps that quote others wait for them; steps with neither placeholder nor ``depends_on`` run in the order given.
    """
    return await _answered(await in_request_thread(_run_once, request, idempotency_key), wait)


@router.post(
    "/workflows/definitions/{workflow}/run",
    response={200: WorkflowRunPayload, 202: WorkflowRunPayload, **errors(403, 404, 409, 413, 422, 429)},
    summary="Run a saved workflow",
    openapi_extra=_body("RunSaved"),
)
async def run_saved_workflow(
    request: HttpRequest, workflow: str, wait: Wait = 0, idempotency_key: IdempotencyKey = None
) -> HttpResponseBase:
    """As ``POST workflows``. An input that is required and not given is refused with 422."""
    return await _answered(await in_request_thread(_run_saved, request, workflow, idempotency_key), wait)


async def _answered(run_id: int, wait: float) -> HttpResponseBase:
    if wait:
        give_up_request_thread()
        await run_ended(run_id, wait)
    return await in_request_thread(_answer, run_id)


def _answer(run_id: int) -> JsonResponse:
    run = queries.run_of_workflow(run_id)
    return JsonResponse(run, status=202 if run["success"] is None else 200)


def _run_once(request: HttpRequest, key: str | None) -> int:
    body = read_body(request, WorkflowBody)
    definition = plain(body)
    for name in ("inputs", "agent_id", "allow_missing_models"):
        definition.pop(name, None)
    asked = _asked(body, key, body.inputs, body.agent_id, body.allow_missing_models)
    return service.run_once(actor=actor_of(request), definition={"name": body.name, **definition}, asked=asked).pk


def _run_saved(request: HttpRequest, workflow: str, key: str | None) -> int:
    row = queries.get_workflow(workflow)
    body = read_body(request, RunSaved) if request.body else RunSaved()
    asked = _asked(body, key, body.inputs, body.agent_id, body.allow_missing_models, row.pk)
    return service.run_saved(actor=actor_of(request), workflow_id=row.pk, number=body.version, asked=asked).pk


def _asked(
    body: Body, key: str | None, inputs: dict[str, Any], agent: str | int | None, missing: bool, of: int = 0
) -> service.Asked:
    text = json.dumps([of, body.model_dump(mode="json")], sort_keys=True)
    return service.Asked(
        inputs=inputs,
        agent=agent,
        idempotency_key=key,
        request_hash=hashlib.sha256(text.encode()).hexdigest() if key else "",
        allow_missing_models=missing,
    )


@router.get("/workflows/definitions", response={200: WorkflowList, **errors(403)}, summary="List saved workflows")
def list_workflows(request: HttpRequest, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None) -> WorkflowList:
    viewer_of(request)
    rows, following = page(queries.workflows(), limit=limit, cursor=cursor)
    return WorkflowList(workflows=rows, next_cursor=following)


@router.post(
    "/workflows/definitions",
    response={201: WorkflowPayload, **errors(403, 409, 413, 422)},
    summary="Save a new workflow",
    openapi_extra=_body("DefinitionBody", yaml=True),
)
def create_workflow(request: HttpRequest, note: Note = "") -> Status[WorkflowPayload]:
    """JSON or YAML. All that is wrong with it is listed in ``detail.problems``, each with its step."""
    return Status(
        201, _saved(request, lambda data: service.create(actor=actor_of(request), definition=data, note=note))
    )


@router.get(
    "/workflows/definitions/{workflow}",
    response={200: WorkflowPayload, **errors(403, 404)},
    summary="A saved workflow, by id or name",
    openapi_extra=_MAY_BE_YAML,
)
def get_workflow(request: HttpRequest, workflow: str, as_text: AsText = "json") -> Any:
    viewer_of(request)
    found = queries.workflow_detail(queries.get_workflow(workflow))
    return _yaml(found["definition"]) if as_text == "yaml" else found


@router.put(
    "/workflows/definitions/{workflow}",
    response={200: WorkflowPayload, **errors(403, 404, 409, 413, 422)},
    summary="Save a new version of a workflow",
    openapi_extra=_body("DefinitionBody", yaml=True),
)
def change_workflow(request: HttpRequest, workflow: str, note: Note = "", based_on: BasedOn = None) -> WorkflowPayload:
    """The whole definition. No version is made when nothing differs."""
    row = queries.get_workflow(workflow)
    return _saved(
        request,
        lambda data: service.update(
            actor=actor_of(request), workflow_id=row.pk, definition=data, note=note, based_on=based_on
        ),
    )


@router.delete(
    "/workflows/definitions/{workflow}", response={204: None, **errors(403, 404)}, summary="Delete a saved workflow"
)
def delete_workflow(request: HttpRequest, workflow: str) -> Status[None]:
    """Its versions go with it; its runs stay."""
    service.delete(actor=actor_of(request), workflow_id=queries.get_workflow(workflow).pk)
    return Status(204, None)


@router.get(
    "/workflows/definitions/{workflow}/versions",
    response={200: VersionList, **errors(403, 404)},
    summary="Versions of a workflow, newest first",
)
def list_versions(
    request: HttpRequest, workflow: str, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None
) -> VersionList:
    viewer_of(request)
    rows, following = page(queries.versions(queries.get_workflow(workflow)), limit=limit, cursor=cursor)
    return VersionList(versions=rows, next_cursor=following)


@router.get(
    "/workflows/definitions/{workflow}/versions/{int:number}",
    response={200: VersionPayload, **errors(403, 404)},
    summary="One version of a workflow",
    openapi_extra=_MAY_BE_YAML,
)
def get_version(request: HttpRequest, workflow: str, number: int, as_text: AsText = "json") -> Any:
    viewer_of(request)
    found = queries.get_version(queries.get_workflow(workflow), number)
    return _yaml(found.definition) if as_text == "yaml" else workflow_version(found, whole=True)


@router.post(
    "/workflows/definitions/{workflow}/versions/{int:number}/restore",
    response={200: WorkflowPayload, **errors(403, 404, 409, 422)},
    summary="Make an earlier version the newest one again",
)
def restore_version(request: HttpRequest, workflow: str, number: int) -> WorkflowPayload:
    row = queries.get_workflow(workflow)
    return _payload(service.restore(actor=actor_of(request), workflow_id=row.pk, number=number))


@router.get(
    "/workflows/definitions/{workflow}/diff",
    response={200: Difference, **errors(403, 404)},
    summary="What differs between two versions",
)
def compare_versions(
    request: HttpRequest,
    workflow: str,
    before: Annotated[int, Query(alias="from", ge=1, le=10**9)],
    after: Annotated[int, Query(alias="to", ge=1, le=10**9)],
) -> Difference:
    viewer_of(request)
    diff = queries.difference(queries.get_workflow(workflow), before, after)
    return Difference(before=before, after=after, diff=diff)


def _saved(request: HttpRequest, save: Any) -> WorkflowPayload:
    data, text = definition_in(request)
    try:
        return _payload(save(data))
    except InvalidWorkflow as error:
        if text is None:
            raise
        raise with_lines(error, text) from error


def _payload(row: Workflow) -> WorkflowPayload:
    return queries.workflow_detail(queries.get_workflow(row.pk))


def _yaml(definition: dict[str, Any]) -> HttpResponse:
    return HttpResponse(to_yaml(definition), content_type=f"{YAML_TYPES[0]}; charset=utf-8")
