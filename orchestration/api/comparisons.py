"""Comparisons over REST: started, listed, looked at with or without names, voted on, exported."""

import hashlib
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router
from ninja.responses import Status
from pydantic import Field
from typing_extensions import TypedDict

from orchestration.api import sheets
from orchestration.api.auth import actor_of, viewer_of
from orchestration.api.bodies import Body
from orchestration.api.downloads import Format, SheetFormat, described, sheet
from orchestration.api.problems import errors
from orchestration.api.schemas import LIMIT_DEFAULT, Cursor, Limit, ShortText, either
from orchestration.api.tasks import IdempotencyKey
from orchestration.payloads.comparisons import Comparison, ComparisonSummary
from orchestration.queries import comparisons as queries
from orchestration.queries import get_agent
from orchestration.queries.ids import ids_of
from orchestration.services import comparisons as service
from orchestration.services.comparisons import MOST_COLUMNS, MOST_PROMPTS, Asked, Column

router = Router(tags=["comparisons"])

Blind = Annotated[bool, Query(description="Hide names and figures of the rows you have not voted on, and shuffle.")]


class ColumnIn(Body):
    model: ShortText
    node: Annotated[int | str, either(int, str, words="a node's id or name")] = Field(
        "", description="Id or name; empty: any node."
    )


class ComparisonNew(Body):
    prompts: Annotated[list[str], Field(min_length=1, max_length=MOST_PROMPTS)]
    columns: Annotated[list[ColumnIn], Field(min_length=2, max_length=MOST_COLUMNS)]
    agent_id: Annotated[int | str, either(int, str, words="an agent's id or name")] = Field(
        "default", description="Id or name: whose system prompt and options it is asked with."
    )
    parameters: dict[str, Any] = Field({}, description="Ollama options, the same for all.")
    priority: int = Field(1, description="0 high, 1 normal, 2 low")
    title: Annotated[str, Field(max_length=160)] = ""
    allow_missing_models: bool = Field(False, description="Wait for a model that no node has yet.")


class VoteNew(Body):
    """``blind``: given while the names were hidden."""

    row: Annotated[int, Field(ge=0, lt=2**31)]
    task_id: Annotated[int, Field(ge=1, lt=2**63)]
    blind: bool = False


class ComparisonList(TypedDict):
    """Newest first, without their answers."""

    comparisons: list[ComparisonSummary]
    next_cursor: str | None


@router.get("/comparisons", response={200: ComparisonList, **errors(403)}, summary="List comparisons, newest first")
def list_comparisons(request: HttpRequest, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None) -> ComparisonList:
    viewer_of(request)
    rows, following = queries.comparisons(limit=limit, cursor=cursor)
    return ComparisonList(comparisons=rows, next_cursor=following)


@router.post(
    "/comparisons",
    response={202: Comparison, **errors(403, 404, 409, 413, 422, 429)},
    summary="Put the same prompts to several models",
)
def start_comparison(
    request: HttpRequest, body: ComparisonNew, idempotency_key: IdempotencyKey = None
) -> Status[Comparison]:
    """Every prompt to every column; each cell is a task."""
    who = actor_of(request)
    run = service.start(
        actor=who,
        agent=get_agent(str(body.agent_id)),
        asked=Asked(
            prompts=body.prompts,
            columns=[Column(column.model, str(column.node)) for column in body.columns],
            parameters=body.parameters,
            priority=body.priority,
            title=body.title,
        ),
        idempotency_key=idempotency_key,
        request_hash=hashlib.sha256(body.model_dump_json().encode()).hexdigest() if idempotency_key else "",
        allow_missing_models=body.allow_missing_models,
    )
    return Status(202, queries.comparison(run.pk, viewer_id=who.user_id))


@router.get(
    "/comparisons/of-tasks",
    response={200: Comparison, **errors(403, 404)},
    summary="Tasks of any runs side by side",
)
def compare_tasks(
    request: HttpRequest, ids: Annotated[str, Query(max_length=400, description="Of 2 to 12 tasks, with commas.")]
) -> Comparison:
    viewer_of(request)
    return queries.side_by_side(ids_of(ids))


@router.get(
    "/comparisons/{int:run_id}", response={200: Comparison, **errors(403, 404)}, summary="A comparison, row by row"
)
def get_comparison(request: HttpRequest, run_id: int, blind: Blind = False) -> Comparison:
    return queries.comparison(run_id, viewer_id=viewer_of(request).user_id, blind=blind)


@router.post(
    "/comparisons/{int:run_id}/votes",
    response={200: Comparison, **errors(403, 404, 409, 413)},
    summary="Vote for the best answer of a row",
)
def vote(request: HttpRequest, run_id: int, body: VoteNew) -> Comparison:
    """One vote for each person and row; another one takes its place. From then on the row's counts are shown."""
    who = actor_of(request)
    service.vote(actor=who, run_id=run_id, row=body.row, task_id=body.task_id, blind=body.blind)
    return queries.comparison(run_id, viewer_id=who.user_id, blind=body.blind)


@router.get(
    "/comparisons/{int:run_id}/export",
    response={200: Comparison, **errors(403, 404)},
    summary="A comparison as a file",
    openapi_extra=described("Comparison"),
)
def export_comparison(
    request: HttpRequest, run_id: int, format: Format = SheetFormat.MARKDOWN, blind: Blind = False
) -> HttpResponse:
    found = queries.comparison(run_id, viewer_id=viewer_of(request).user_id, blind=blind)
    writers = {SheetFormat.MARKDOWN: sheets.comparison_markdown, SheetFormat.CSV: sheets.comparison_csv}
    return sheet(found, format, f"comparison-{run_id}", writers)
