"""Benchmarks on the wire: what was asked, and the figures in the same shape while they come in and as they are kept."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from typing_extensions import TypedDict

from orchestration.policy.benchmarks import Cell, Curve, Drift, hint
from orchestration.policy.spread import Spread


class SpreadPayload(TypedDict):
    """Over all requests: median, quartiles, p95. ``low`` to ``high``: 95 % interval of the mean of the repeats."""

    median: float
    q1: float
    q3: float
    p95: float
    low: float | None
    high: float | None
    repeats: list[float]


class BenchmarkCell(TypedDict):
    """Speeds in tokens per second by Ollama's counts: prefill and decode of one stream, total of all together.

    ``first_token_seconds`` is without loading. ``at_once``: how many really ran together, on average.
    """

    model: str
    node: str
    prompt: str
    concurrency: int
    requests: int
    errors: int
    reloads: int
    prompt_tokens: int
    output_tokens: int
    inside_seconds: float
    at_once: float | None
    first_token_seconds: SpreadPayload | None
    prefill_rate: SpreadPayload | None
    decode_rate: SpreadPayload | None
    total_rate: SpreadPayload | None


class BenchmarkPlace(TypedDict):
    """A model on a node as it was when the benchmark began. ``levels``: how many at once, those tried."""

    model: str
    node: str
    node_id: int
    slots: int
    levels: list[int]
    digest: str
    quantization: str
    parameter_size: str
    ollama_version: str


class BenchmarkLoad(TypedDict):
    """``seconds``: what the load took; None while unknown, and where the model was in memory already."""

    model: str
    node: str
    seconds: float | None
    was_loaded: bool
    vram_bytes: int | None


class CurvePoint(TypedDict):
    concurrency: int
    total_rate: float
    first_token_p95_seconds: float | None


class SaturationCurve(TypedDict):
    """``knee``: the last level that was worth it; None where the highest still was."""

    model: str
    node: str
    prompt: str
    points: list[CurvePoint]
    knee: int | None
    slots: int
    hint: str


class BenchmarkDrift(TypedDict):
    """``percent`` from the run before to this one. ``sure``: beyond the spread; None where a run had one repeat."""

    model: str
    node: str
    prompt: str
    concurrency: int
    figure: str
    before: float
    now: float
    percent: float
    low: float | None
    high: float | None
    sure: bool | None
    worse: bool
    regressed: bool


class BenchmarkReport(TypedDict):
    """``complete``: nothing is unfinished. ``compared_with``: the last run of the same spec."""

    complete: bool
    ended_at: str | None
    took_seconds: float | None
    cells: list[BenchmarkCell]
    loads: list[BenchmarkLoad]
    curves: list[SaturationCurve]
    compared_with: int | None
    drifts: list[BenchmarkDrift]
    remarks: list[str]


class BenchmarkPrompt(TypedDict):
    name: str
    characters: int


class BenchmarkSpec(TypedDict):
    """What was asked for. ``left_out``: what was asked for and could not be, in words."""

    models: list[str]
    nodes: list[str]
    prompt_set: str
    prompts: list[BenchmarkPrompt]
    concurrency: list[int]
    repeats: int
    rounds: int
    options: dict[str, Any]
    left_out: list[str]


class BenchmarkSummary(TypedDict):
    """``best_rate``: the highest total tokens per second; ``regressions`` against the last run of the same spec."""

    id: int
    title: str
    owner: str | None
    status: str
    counts: dict[str, int]
    created_at: str
    models: list[str]
    nodes: list[str]
    best_rate: float | None
    regressions: int | None


class BenchmarkPayload(TypedDict):
    id: int
    title: str
    owner: str | None
    status: str
    counts: dict[str, int]
    created_at: str
    rerun_of: int | None
    spec: BenchmarkSpec
    places: list[BenchmarkPlace]
    report: BenchmarkReport


FIGURES = {
    "first_token": "first_token_seconds",
    "prefill": "prefill_rate",
    "decode": "decode_rate",
    "total": "total_rate",
}
"""What the figures of a cell are called outside."""


def spread(row: Spread | None) -> SpreadPayload | None:
    if row is None:
        return None
    return SpreadPayload(
        median=row.median,
        q1=row.q1,
        q3=row.q3,
        p95=row.p95,
        low=row.low,
        high=row.high,
        repeats=list(row.repeats),
    )


def cell(row: Cell) -> BenchmarkCell:
    return BenchmarkCell(
        model=row.key.model,
        node=row.key.node,
        prompt=row.key.prompt,
        concurrency=row.key.concurrency,
        requests=row.requests,
        errors=row.errors,
        reloads=row.reloads,
        prompt_tokens=row.prompt_tokens,
        output_tokens=row.output_tokens,
        inside_seconds=row.inside_seconds,
        at_once=row.at_once,
        first_token_seconds=spread(row.first_token),
        prefill_rate=spread(row.prefill),
        decode_rate=spread(row.decode),
        total_rate=spread(row.total),
    )


def curve(row: Curve, *, slots: int) -> SaturationCurve:
    return SaturationCurve(
        model=row.model,
        node=row.node,
        prompt=row.prompt,
        points=[
            CurvePoint(concurrency=at.concurrency, total_rate=at.total, first_token_p95_seconds=at.first_token)
            for at in row.points
        ],
        knee=row.knee,
        slots=slots,
        hint=hint(row, slots),
    )


def drift(row: Drift) -> BenchmarkDrift:
    return BenchmarkDrift(
        model=row.key.model,
        node=row.key.node,
        prompt=row.key.prompt,
        concurrency=row.key.concurrency,
        figure=FIGURES[row.figure],
        before=row.before,
        now=row.now,
        percent=row.change.percent,
        low=row.change.low,
        high=row.change.high,
        sure=row.change.sure,
        worse=row.worse,
        regressed=row.regressed,
    )


def benchmark_spec(asked: Mapping[str, Any]) -> BenchmarkSpec:
    """Of what the run keeps, without the texts of the prompts."""
    return BenchmarkSpec(
        models=asked["models"],
        nodes=asked["nodes"],
        prompt_set=asked["prompt_set"],
        prompts=[BenchmarkPrompt(name=item["name"], characters=item["characters"]) for item in asked["prompts"]],
        concurrency=asked["concurrency"],
        repeats=asked["repeats"],
        rounds=asked["rounds"],
        options=asked["options"],
        left_out=asked["left_out"],
    )


def best_rate(cells: Iterable[BenchmarkCell]) -> float | None:
    return max((item["total_rate"]["median"] for item in cells if item["total_rate"]), default=None)


def regressions(drifts: Sequence[BenchmarkDrift]) -> int:
    return sum(item["regressed"] for item in drifts)
