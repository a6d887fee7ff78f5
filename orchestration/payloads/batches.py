"""Batches on the wire: how far one is, its rows, and what one that is not submitted yet would be."""

from typing import Any

from typing_extensions import TypedDict


class EtaPayload(TypedDict):
    """Seconds from now, and the bounds it most likely lies between."""

    seconds: float
    earliest_seconds: float
    latest_seconds: float


class BatchPayload(TypedDict):
    """``rows`` is the sum of ``counts``. ``calls``: requests to models; several rows of an embedding share one."""

    id: int
    title: str
    type: str
    agent: str
    agent_id: int | None
    owner: str | None
    owner_id: int | None
    status: str
    dry_run: bool
    rows: int
    calls: int
    counts: dict[str, int]
    skipped: int
    eta: EtaPayload | None
    max_parallel: int | None
    stop_failed_percent: float | None
    paused_at: str | None
    paused_by: str | None
    stopped_reason: str | None
    created_at: str


class FailureGroup(TypedDict):
    """Rows that failed in the same way, with the words of one of them."""

    code: str
    rows: int
    example: str


class BatchDetail(BatchPayload):
    """``held``: rows that wait for the batch's own limit. Speed and tokens are null where nobody has told them."""

    held: int
    prompt_tokens: int | None
    output_tokens: int | None
    tokens_per_second: float | None
    started_at: str | None
    ended_at: str | None
    failures: list[FailureGroup]


class BatchRow(TypedDict):
    """A row of a batch beside its answer, both cut short. ``key`` tells rows of one task apart."""

    key: str
    number: int
    task_id: int
    version: int
    client_ref: str
    input: str
    output: str
    state: str
    status: str
    message: str
    progress: int
    attempt_id: int | None
    error_code: str | None
    error: str | None
    seconds: float | None
    output_tokens: int | None
    model: str | None
    node: str | None


class SampleRow(TypedDict):
    """One of the first rows as it would be sent."""

    number: int
    prompt: str
    system: str | None
    model: str | None
    client_ref: str
    images: int
    metadata: dict[str, Any]


class ColumnPayload(TypedDict):
    """``placeholder`` is what templates call it, without its braces."""

    name: str
    placeholder: str


class DoneRows(TypedDict):
    """Rows that completed already, just as they are, and in which runs."""

    rows: int
    runs: list[int]


class EstimatePayload(TypedDict):
    """``seconds`` and tokens are null where nothing like it has run yet; ``words`` says what they are based on."""

    seconds: float | None
    slots: int | None
    slots_words: str
    prompt_tokens: int | None
    output_tokens: int | None
    tasks_seen: int
    words: str


class BatchPreview(TypedDict):
    """What would be submitted. Nothing has been written."""

    format: str
    rows: int
    calls: int
    columns: list[ColumnPayload]
    template: str
    samples: list[SampleRow]
    done: DoneRows
    warnings: list[str]
    estimate: EstimatePayload
