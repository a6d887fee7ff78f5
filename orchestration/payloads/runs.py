"""Runs on the wire."""

from typing import Any, NotRequired

from typing_extensions import TypedDict

from orchestration.models import Run
from orchestration.payloads.base import iso, owner_name, stamp
from orchestration.payloads.tasks import ResultPayload, TaskPayload


class RunLimits(TypedDict):
    """None: no limit."""

    max_parallel: int | None
    stop_failed_percent: float | None
    deadline_at: str | None
    max_tokens: int | None
    max_steps: int | None


class RunPayload(TypedDict):
    """``stopped_reason``: why Drover ended it before its tasks had."""

    id: int
    kind: str
    title: str
    agent_id: int | None
    agent: str
    owner: str | None
    status: str
    counts: dict[str, int]
    created_at: str
    inputs: dict[str, Any]
    limits: RunLimits
    continue_on_error: bool
    paused_at: str | None
    paused_by: str | None
    stopped_reason: str | None
    workflow_version_id: int | None
    rerun_of: int | None
    tasks: NotRequired[list[TaskPayload]]
    results: NotRequired[list[ResultPayload]]


def run(row: Run, *, counts: dict[str, int]) -> RunPayload:
    """``counts`` by public status word."""
    return RunPayload(
        id=row.pk,
        kind=row.kind,
        title=row.title,
        agent_id=row.agent_id,
        agent=row.agent_name,
        owner=owner_name(row),
        status=run_status(counts, paused=row.paused_at is not None),
        counts=counts,
        created_at=stamp(row.created_at),
        inputs=row.inputs,
        limits=RunLimits(
            max_parallel=row.max_parallel,
            stop_failed_percent=row.stop_failed_percent,
            deadline_at=iso(row.deadline_at),
            max_tokens=row.max_tokens,
            max_steps=row.max_steps,
        ),
        continue_on_error=row.continue_on_error,
        paused_at=iso(row.paused_at),
        paused_by=row.paused_by_name or None,
        stopped_reason=row.stopped_reason or None,
        workflow_version_id=row.workflow_version_id,
        rerun_of=row.rerun_of_id,
    )


def run_status(counts: dict[str, int], *, paused: bool = False) -> str:
    """A run runs until nothing is unfinished; then the worst word of its tasks is its own. A paused one whose last
    running task has not ended is running still."""
    if counts.get("running"):
        return "running"
    if counts.get("pending"):
        started = any(counts.get(other) for other in counts if other != "pending")
        return "paused" if paused else "running" if started else "pending"
    for word in ("failed", "cancelled"):
        if counts.get(word):
            return word
    return "completed"
