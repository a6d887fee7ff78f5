"""Kept answers over REST: searched, read, rated, tagged, taken away as files."""

from typing import Annotated, Any

from django.http import HttpRequest, HttpResponseBase, QueryDict, StreamingHttpResponse
from django.utils import timezone
from ninja import Query, Router
from pydantic import Field

from orchestration.api.auth import actor_of, viewer_of
from orchestration.api.bodies import Body
from orchestration.api.output_files import KINDS, OutputKind, written
from orchestration.api.problems import errors
from orchestration.api.schemas import Cursor
from orchestration.api.threads import in_request_thread
from orchestration.payloads.outputs import OutputPage, OutputPayload
from orchestration.queries.output_filter import OutputFilter
from orchestration.queries.outputs import MOST_ROWS, PAGE_ROWS, output_detail, search
from orchestration.services import outputs as service

router = Router(tags=["outputs"])
_NOT_FILTERS = ("limit", "cursor", "facets", "format")


class OutputChanges(Body):
    """What is left out stays as it is."""

    rating: Annotated[int, Field(ge=1, le=service.BEST_RATING)] | None = None
    tags: Annotated[list[Annotated[str, Field(max_length=40)]], Field(max_length=20)] = []
    note: Annotated[str, Field(max_length=service.NOTE_CHARACTERS)] = ""


def filter_of(query: QueryDict) -> OutputFilter:
    wanted = query.copy()
    for name in _NOT_FILTERS:
        wanted.pop(name, None)
    return OutputFilter.from_query(wanted)


@router.get("/outputs", response={200: OutputPage, **errors(403)}, summary="Search answers")
def list_outputs(
    request: HttpRequest,
    limit: Annotated[int, Query(ge=1, le=MOST_ROWS, description="Rows a page.")] = PAGE_ROWS,
    cursor: Cursor = None,
    facets: Annotated[bool, Query(description="Count what is found, in all and kind by kind.")] = True,
) -> OutputPage:
    """``q``: words, "phrases", -not, prefix*. ``sort``: relevance, newest, rating. ``since``, ``until``: days or times.

    Kinds, each several times or with commas: model, agent, owner, node, type, rating (1 to 5, none), tag, month
    (2026-11), week (2026-W47), day, json (yes, no), length (short, medium, long, longest), collection.
    """
    viewer_of(request)
    return search(filter_of(request.GET), limit=limit, cursor=cursor, facets=facets)


@router.get(
    "/outputs/export",
    response={200: None, **errors(403)},
    summary="Download answers",
    openapi_extra={"responses": {200: {"content": {each.media_type: {} for each in KINDS.values()}}}},
)
async def export_outputs(
    request: HttpRequest, kind: Annotated[OutputKind, Query(alias="format", description="The file.")] = OutputKind.JSONL
) -> HttpResponseBase:
    """All that match the filters of the search, newest first. ``zip``: a file for each answer, and metadata.json."""
    asked = await in_request_thread(_looked_up, request)
    answer = StreamingHttpResponse(written(asked, kind, timezone.now()), content_type=KINDS[kind].media_type)
    answer["Content-Disposition"] = f'attachment; filename="outputs.{KINDS[kind].ending}"'
    answer["Cache-Control"] = "no-store"
    answer["X-Accel-Buffering"] = "no"
    return answer


def _looked_up(request: HttpRequest) -> OutputFilter:
    viewer_of(request)
    return filter_of(request.GET)


@router.get("/outputs/{int:task_id}", response={200: OutputPayload, **errors(403, 404)}, summary="An answer in full")
def get_output(request: HttpRequest, task_id: int) -> OutputPayload:
    viewer_of(request)
    return output_detail(task_id)


@router.patch(
    "/outputs/{int:task_id}", response={200: OutputPayload, **errors(403, 404)}, summary="Rate, tag or note an answer"
)
def change_output(request: HttpRequest, task_id: int, body: OutputChanges) -> OutputPayload:
    """One's own, or as a maintainer anybody's. ``rating`` null takes it away."""
    fields: dict[str, Any] = body.model_dump(exclude_unset=True)
    service.edit(actor=actor_of(request), task_id=task_id, **fields)
    return output_detail(task_id)
