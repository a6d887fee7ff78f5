"""Runs on the wire."""

from typing import NotRequired

from typing_extensions import TypedDict

from orchestration.models import Run
from orchestration.payloads.base import owner_name, stamp
from orchestration.payloads.tasks import ResultPayload, TaskPayload


class RunPayload(TypedDict):
    id: int
    kind: str
    agent_id: int | None
    agent: str
    owner: str | None
    status: str
    counts: dict[str, int]
    created_at: str
    tasks: NotRequired[list[TaskPayload]]
    results: NotRequired[list[ResultPayload]]


def run(row: Run, *, counts: dict[str, int]) -> RunPayload:
    """``counts`` by public status word."""
    return RunPayload(
        id=row.pk,
        kind=row.kind,
        agent_id=row.agent_id,
        agent=row.agent_name,
        owner=owner_name(row),
        status=run_status(counts),
        counts=counts,
        created_at=stamp(row.created_at),
    )


def run_status(counts: dict[str, int]) -> str:
    """A run runs until nothing is unfinished; then the worst word of its tasks is its own."""
    for word in ("running", "pending"):
        if counts.get(word):
            started = any(counts.get(other) for other in counts if other != "pending")
            return "running" if started else word
    for word in ("failed", "cancelled"):
        if counts.get(word):
            return word
    return "completed"
