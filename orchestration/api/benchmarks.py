"""Benchmarks over REST: started, listed, looked at while they run, exported."""

import hashlib
from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Router
from ninja.responses import Status
from pydantic import Field
from typing_extensions import TypedDict

from orchestration.api import sheets
from orchestration.api.auth import actor_of, viewer_of
from orchestration.api.bodies import Body
from orchestration.api.downloads import Format, SheetFormat, described, sheet
from orchestration.api.problems import errors
from orchestration.api.schemas import LIMIT_DEFAULT, Cursor, Limit, Names, ShortText
from orchestration.api.tasks import IdempotencyKey
from orchestration.payloads.benchmarks import BenchmarkPayload, BenchmarkSummary
from orchestration.policy.prompt_sets import PROMPT_SETS
from orchestration.queries import benchmarks as queries
from orchestration.services import benchmarks as service
from orchestration.services.benchmarks import (
    LONGEST_ANSWER,
    MOST_AT_ONCE,
    MOST_PROMPTS,
    MOST_REPEATS,
    MOST_ROUNDS,
    Asked,
)

router = Router(tags=["benchmarks"])


class BenchmarkNew(Body):
    """Warm-up left out, prompts made different each time so that no server has read them before."""

    models: Annotated[Names, Field(min_length=1)]
    nodes: Names = Field([], description="Ids or names; empty: every node that has a model.")
    prompt_set: ShortText = Field("short", description=f"One of {', '.join(PROMPT_SETS)}.")
    prompts: Annotated[list[str], Field(max_length=MOST_PROMPTS)] = Field([], description="Own texts instead of a set.")
    concurrency: Annotated[list[Annotated[int, Field(ge=1, le=MOST_AT_ONCE)]], Field(min_length=1, max_length=20)] = [
        *(1, 2, 4, 8)
    ]
    repeats: Annotated[int, Field(ge=1, le=MOST_REPEATS)] = 3
    rounds: Annotated[int, Field(ge=1, le=MOST_ROUNDS, description="How often in a row each stream asks.")] = 2
    num_predict: Annotated[int, Field(ge=1, le=LONGEST_ANSWER)] = 128
    temperature: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = 0.0
    seed: Annotated[int, Field(ge=-(2**53), le=2**53)] = 1
    num_ctx: Annotated[int, Field(ge=1, le=262_144)] | None = None
    title: Annotated[str, Field(max_length=160)] = ""


class BenchmarkList(TypedDict):
    """Newest first, without their figures."""

    benchmarks: list[BenchmarkSummary]
    next_cursor: str | None


class PromptLength(TypedDict):
    name: str
    characters: int


class PromptSet(TypedDict):
    name: str
    prompts: list[PromptLength]


class PromptSetList(TypedDict):
    prompt_sets: list[PromptSet]


@router.get("/benchmarks", response={200: BenchmarkList, **errors(403)}, summary="List benchmarks, newest first")
def list_benchmarks(request: HttpRequest, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None) -> BenchmarkList:
    viewer_of(request)
    service.settle_ended()
    rows, following = queries.benchmarks(limit=limit, cursor=cursor)
    return BenchmarkList(benchmarks=rows, next_cursor=following)


@router.post(
    "/benchmarks",
    response={202: BenchmarkPayload, **errors(403, 404, 409, 413, 422, 429)},
    summary="Start a benchmark",
)
def start_benchmark(
    request: HttpRequest, body: BenchmarkNew, idempotency_key: IdempotencyKey = None
) -> Status[BenchmarkPayload]:
    """Models take turns on each node, nodes run beside each other. Levels above a node's slots are left out, which
    ``spec.left_out`` says; 409 while another benchmark measures on one of the nodes."""
    run = service.start(
        actor=actor_of(request),
        asked=Asked(**body.model_dump()),
        idempotency_key=idempotency_key,
        request_hash=hashlib.sha256(body.model_dump_json().encode()).hexdigest() if idempotency_key else "",
    )
    return Status(202, queries.benchmark(run.pk))


@router.get(
    "/benchmarks/prompt-sets", response={200: PromptSetList, **errors(403)}, summary="The prompts Drover brings along"
)
def list_prompt_sets(request: HttpRequest) -> PromptSetList:
    viewer_of(request)
    found = [
        PromptSet(name=name, prompts=[PromptLength(name=item.name, characters=len(item.text)) for item in prompts])
        for name, prompts in PROMPT_SETS.items()
    ]
    return PromptSetList(prompt_sets=found)


@router.get(
    "/benchmarks/{int:run_id}",
    response={200: BenchmarkPayload, **errors(403, 404)},
    summary="A benchmark with its report",
)
def get_benchmark(request: HttpRequest, run_id: int) -> BenchmarkPayload:
    """``report.complete`` is false while it runs; its figures then are those known so far."""
    viewer_of(request)
    return _found(run_id)


@router.post(
    "/benchmarks/{int:run_id}/again",
    response={202: BenchmarkPayload, **errors(403, 404, 409, 422, 429)},
    summary="Start the same benchmark once more",
)
def repeat_benchmark(request: HttpRequest, run_id: int) -> Status[BenchmarkPayload]:
    """Its report is compared with the last one of the same spec."""
    run = service.again(actor=actor_of(request), run_id=run_id)
    return Status(202, queries.benchmark(run.pk))


@router.get(
    "/benchmarks/{int:run_id}/export",
    response={200: BenchmarkPayload, **errors(403, 404)},
    summary="A benchmark as a file",
    openapi_extra=described("BenchmarkPayload"),
)
def export_benchmark(request: HttpRequest, run_id: int, format: Format = SheetFormat.MARKDOWN) -> HttpResponse:
    viewer_of(request)
    writers = {SheetFormat.MARKDOWN: sheets.benchmark_markdown, SheetFormat.CSV: sheets.benchmark_csv}
    return sheet(_found(run_id), format, f"benchmark-{run_id}", writers)


def _found(run_id: int) -> BenchmarkPayload:
    service.settle(run_id)
    return queries.benchmark(run_id)
