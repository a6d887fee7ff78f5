"""``GET runs/{id}/export``: what a run of any kind has brought so far, sent on page by page while it is read."""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from ninja import Query, Router

from orchestration import queries
from orchestration.api.auth import viewer_of
from orchestration.api.problems import errors
from orchestration.api.threads import give_up_request_thread, in_any_thread, in_request_thread
from orchestration.models import Run
from orchestration.policy import npy
from orchestration.policy.sheets import csv_lines
from orchestration.queries.exports import START, ExportRow, Shape, export_page, vectors_shape

router = Router(tags=["runs"])

Kind = Literal["jsonl", "csv", "npy"]
TYPES = {"jsonl": "application/x-ndjson", "csv": "text/csv; charset=utf-8", "npy": "application/octet-stream"}
COLUMNS = tuple(ExportRow.__annotations__)

_CONTENTS: dict[str, Any] = {
    "application/x-ndjson": {"schema": {"$ref": "#/components/schemas/ExportRow"}},
    "text/csv": {"schema": {"type": "string"}},
    "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
}


@router.get(
    "/runs/{int:run_id}/export",
    response={200: None, **errors(403, 404, 422)},
    summary="Download what a run has brought so far",
    openapi_extra={"responses": {200: {"content": _CONTENTS}}},
)
async def export_run(
    request: HttpRequest, run_id: int, kind: Annotated[Kind, Query(alias="format", description="The file.")] = "jsonl"
) -> HttpResponseBase:
    """Rows in their order, those that have not ended with what is known of them.

    In ``csv`` a text that begins with = + - @, a tab or a line end has an apostrophe in front, so that no spreadsheet
    runs it. ``npy`` is for embeddings: a float32 array a line for each text, not-a-number where it has no vector.
    """
    run, shape = await in_request_thread(_looked_up, request, run_id, kind)
    response = StreamingHttpResponse(_lines(run, kind, shape), content_type=TYPES[kind])
    response["Content-Disposition"] = f'attachment; filename="run-{run_id}.{kind}"'
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response


def _looked_up(request: HttpRequest, run_id: int, kind: Kind) -> tuple[Run, Shape | None]:
    viewer_of(request)
    run = queries.get_run(run_id)
    return run, vectors_shape(run) if kind == "npy" else None


async def _lines(run: Run, kind: Kind, shape: Shape | None) -> AsyncIterator[bytes]:
    give_up_request_thread()
    if kind == "csv":
        yield csv_lines([COLUMNS])
    if shape:
        yield npy.header(shape["rows"], shape["dimensions"])
    sent, place = 0, START
    while True:
        rows, following = await in_any_thread(export_page, run, place)
        rows = rows if shape is None else rows[: shape["rows"] - sent]
        sent += len(rows)
        if rows:
            yield await in_any_thread(_written, rows, kind, shape)
        if following is None:
            break
        place = following
    if shape:
        yield _array([None] * (shape["rows"] - sent), shape)  # rows that were deleted while it was read


def _written(rows: Sequence[ExportRow], kind: Kind, shape: Shape | None) -> bytes:
    if shape:
        return _array([row["embedding"] for row in rows], shape)
    if kind == "csv":
        return csv_lines([_cells(row) for row in rows])
    return b"".join(_json(row).encode() + b"\n" for row in rows)


def _cells(row: ExportRow) -> list[Any]:
    """Lists and objects as JSON."""
    return [_json(value) if isinstance(value, list | dict) else value for value in row.values()]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _array(vectors: Sequence[list[float] | None], shape: Shape) -> bytes:
    """Not-a-number where there is no vector, or one of another length."""
    nothing = [float("nan")] * shape["dimensions"]
    lines = (vector if vector and len(vector) == shape["dimensions"] else nothing for vector in vectors)
    return npy.numbers(number for line in lines for number in line)
