"""Batches over REST: thousands of prompts from a table, looked at first, then submitted; JSON or a file."""

import hashlib
from typing import Annotated, Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from ninja import Router
from ninja.errors import HttpError
from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from orchestration import queries
from orchestration.api.auth import actor_of, viewer_of
from orchestration.api.bodies import Body, read_body, shaped
from orchestration.api.problems import errors
from orchestration.api.schemas import (
    LIMIT_DEFAULT,
    MANY,
    Cursor,
    KeepAlive,
    Limit,
    Preset,
    Seconds,
    ShortText,
    Tags,
    Think,
    either,
)
from orchestration.api.schemas import Format as AnswerFormat
from orchestration.api.specs import keep_alive_seconds
from orchestration.api.tasks import IdempotencyKey
from orchestration.api.threads import in_request_thread
from orchestration.errors import InvalidInput, PayloadTooLarge
from orchestration.payloads.batches import BatchDetail, BatchPayload, BatchPreview
from orchestration.policy.mapping import Columns
from orchestration.policy.strict_json import read_json
from orchestration.policy.tables import Format, Table, decoded, read_table, table_of
from orchestration.queries.batches import batch_detail, batches
from orchestration.services import batches as service
from orchestration.services.batches import BatchRequest
from orchestration.services.tasks import TaskSpec

router = Router(tags=["batches"])

FILE = "file"
OPTIONS = "batch"


def _rows(value: Any) -> Any:
    if isinstance(value, list) and not all(isinstance(item, str | dict) for item in value):
        raise PydanticCustomError("wrong_kind", "must be a list of texts or of objects")
    return value


Rows = Annotated[list[str | dict[str, Any]], Field(max_length=settings.DROVER_MAX_TASKS_PER_REQUEST)]


class ColumnsIn(Body):
    """Names of columns, as the header has them or as placeholders write them."""

    prompt: ShortText = Field("", description="Instead of a template.")
    system: ShortText = Field("", description="Instead of a system template.")
    images: ShortText = Field("", description="Base64; several in a list.")
    client_ref: ShortText = ""
    model: ShortText = Field("", description="Empty cells: model_name.")
    metadata: Annotated[list[ShortText], Field(max_length=MANY, description="Kept with each row and exported.")] = []


class BatchOptions(Body):
    """What holds for all rows. ``{{column}}`` in ``template`` and ``system`` is the cell of each row."""

    agent_id: Annotated[int | str, either(int, str, words="an agent's id or name")] = "default"
    type: str = Field("generate", description="generate, chat or embed")
    template: str = Field("", description="The prompt; left out where one column is it.")
    system: str = Field("", description="The system prompt; left out where the agent's own is meant.")
    columns: ColumnsIn = ColumnsIn()
    format: Annotated[Format | None, Field(strict=False, description="Of the text or file; found if left out.")] = None
    title: Annotated[str, Field(max_length=160)] = ""
    model_name: ShortText = ""
    preset: Preset = ""
    parameters: dict[str, Any] = Field({}, description="Ollama options.")
    priority: int = Field(1, description="0 high, 1 normal, 2 low")
    tags: Tags = []
    keep_alive: KeepAlive = None
    timeout_seconds: Seconds | None = None
    max_tries: Annotated[int, Field(ge=1, le=100)] | None = None
    think: Think = None
    answer_format: AnswerFormat = None
    max_parallel: Annotated[int, Field(ge=1, le=10_000, description="Rows at once.")] | None = None
    stop_failed_percent: (
        Annotated[
            float,
            Field(ge=0, le=100, allow_inf_nan=False, description="Cancels the rest when more of what ended failed."),
        ]
        | None
    ) = None
    skip_done: bool = Field(False, description="Leave out rows that completed before, just as they are.")
    dry_run: bool = Field(False, description="Only the first five rows.")
    allow_missing_models: bool = Field(False, description="Wait for a model that no node has yet.")


class BatchBody(BatchOptions):
    """``rows``, or ``text`` in one of the formats."""

    rows: Annotated[Rows | None, BeforeValidator(_rows)] = None
    text: str | None = Field(None, description="CSV, JSON, JSON lines, or a prompt a line.")


class BatchList(TypedDict):
    """Newest first."""

    batches: list[BatchPayload]
    next_cursor: str | None


_BODY = {
    "required": True,
    "content": {
        "application/json": {"schema": {"$ref": "#/components/schemas/BatchBody"}},
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": [FILE],
                "properties": {
                    FILE: {"type": "string", "format": "binary", "description": "CSV, JSON, JSON lines or a list."},
                    OPTIONS: {"$ref": "#/components/schemas/BatchOptions"},
                },
            },
            "encoding": {OPTIONS: {"contentType": "application/json"}},
        },
    },
}


@router.post(
    "/batches/preview",
    response={200: BatchPreview, **errors(403, 404, 413, 422)},
    summary="Look at a batch before it is submitted",
    openapi_extra={"requestBody": _BODY},
)
async def preview_batch(request: HttpRequest) -> HttpResponseBase:
    """Checks every row and writes nothing: the first three rows as they would be sent, rows that were done before, and
    what it will take, where that can be known."""
    return await in_request_thread(_preview, request)


def _preview(request: HttpRequest) -> JsonResponse:
    body, table, source = _asked(request)
    actor, batch = actor_of(request), _batch(body, table, source)
    return JsonResponse(service.preview(actor=actor, batch=batch))


@router.post(
    "/batches",
    response={202: BatchDetail, **errors(403, 404, 409, 413, 422, 429)},
    summary="Submit a batch",
    openapi_extra={"requestBody": _BODY},
)
async def submit_batch(request: HttpRequest, idempotency_key: IdempotencyKey = None) -> HttpResponseBase:
    """All rows or none; one that cannot be sent is refused with its line. ``id`` is the run's."""
    return await in_request_thread(_submit, request, idempotency_key)


def _submit(request: HttpRequest, key: str | None) -> JsonResponse:
    body, table, source = _asked(request)
    actor, batch = actor_of(request), _batch(body, table, source)
    if body.dry_run:
        run = service.dry_run(actor=actor, batch=batch)
    else:
        digest = _fingerprint(body, table) if key else ""
        run = service.submit(actor=actor, batch=batch, idempotency_key=key, request_hash=digest)
    return JsonResponse(batch_detail(run.pk), status=202)


@router.get("/batches", response={200: BatchList, **errors(403)}, summary="List batches, newest first")
def list_batches(request: HttpRequest, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None) -> BatchList:
    viewer_of(request)
    rows, following = batches(limit=limit, cursor=cursor)
    return BatchList(batches=rows, next_cursor=following)


@router.get("/batches/{int:run_id}", response={200: BatchDetail, **errors(403, 404)}, summary="How far a batch is")
def get_batch(request: HttpRequest, run_id: int) -> BatchDetail:
    viewer_of(request)
    return batch_detail(run_id)


def _asked(request: HttpRequest) -> tuple[BatchOptions, Table, str]:
    """The options, the rows, and the name of the file if there is one."""
    if request.content_type == "multipart/form-data":
        return _from_form(request)
    body = read_body(request, BatchBody)
    if (body.rows is None) == (body.text is None):
        raise InvalidInput("Send either rows or text.", field="rows")
    table = read_table(body.text, body.format) if body.text is not None else table_of(body.rows or [])
    return body, table, ""


def _from_form(request: HttpRequest) -> tuple[BatchOptions, Table, str]:
    uploaded = request.FILES.get(FILE)
    if not isinstance(uploaded, UploadedFile):
        raise InvalidInput(f"The form has no file: send one as {FILE}.", field=FILE)
    text = file_text(uploaded)
    part = request.FILES.get(OPTIONS)
    given = part.read() if isinstance(part, UploadedFile) else (request.POST.get(OPTIONS) or "{}").encode()
    try:
        data = read_json(given)
    except Exception as error:
        raise HttpError(400, "unreadable body") from error
    options = shaped(data, BatchOptions)
    name = (uploaded.name or "")[:160]
    return options, read_table(text, options.format, name), name


def file_text(uploaded: "UploadedFile[Any]") -> str:
    """Raises PayloadTooLarge, InvalidInput."""
    most = settings.DROVER_MAX_BODY_BYTES
    if (uploaded.size or 0) > most:
        raise PayloadTooLarge(f"The file is larger than the {most:,} bytes that are allowed.", limit_bytes=most)
    return decoded(uploaded.read())


def _batch(body: BatchOptions, table: Table, source: str) -> BatchRequest:
    keep_alive = None if body.keep_alive is None else keep_alive_seconds(body.keep_alive)
    task = TaskSpec(
        type=body.type,
        model_name=body.model_name,
        preset=body.preset,
        parameters=body.parameters,
        priority=body.priority,
        tags=body.tags,
        keep_alive_seconds=keep_alive,
        timeout_seconds=body.timeout_seconds,
        max_tries=body.max_tries,
        think=body.think,
        format=body.answer_format,
    )
    return BatchRequest(
        agent=queries.get_agent(str(body.agent_id)),
        table=table,
        task=task,
        columns=Columns(**body.columns.model_dump()),
        source=source,
        **{name: getattr(body, name) for name in _AS_THEY_ARE},
    )


_AS_THEY_ARE = (
    "template",
    "system",
    "title",
    "max_parallel",
    "stop_failed_percent",
    "skip_done",
    "allow_missing_models",
)


def _fingerprint(body: BatchOptions, table: Table) -> str:
    """The same for the same rows and options, however they were sent."""
    options = body.model_dump_json(exclude={"rows", "text", "format"})
    rows = repr([row.cells for row in table.rows])
    return hashlib.sha256(f"{options}\n{rows}".encode()).hexdigest()
