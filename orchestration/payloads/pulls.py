"""Pulls on the wire."""

from collections.abc import Mapping
from typing import Any

from typing_extensions import TypedDict

from orchestration.models import Pull
from orchestration.payloads.base import iso
from orchestration.payloads.tasks import PUBLIC_STATUS
from orchestration.policy.pulls import in_words, seconds_left
from orchestration.policy.states import TaskStatus


class PullLayer(TypedDict):
    digest: str
    total: int
    done: int


class PullPayload(TypedDict):
    """How far a pull is. Bytes never go back; ``words`` is the same for people. None where nobody knows."""

    task_id: int
    run_id: int
    model: str
    node_id: int | None
    node: str | None
    status: str
    stage: str
    layers: list[PullLayer]
    done_bytes: int
    total_bytes: int | None
    percent: float
    bytes_per_second: float | None
    seconds_left: float | None
    words: str
    error: str | None
    updated_at: str | None


def pull(row: Pull, live: Mapping[str, Any] | None = None) -> PullPayload:
    """``live``: what its worker told last, which may be fresher than what it has written down."""
    task = row.task
    running = task.status == TaskStatus.RUNNING
    speed = row.bytes_per_second if running else None
    told = live if live and running and live["attempt_id"] == task.attempt_id else None
    said = in_words(row.done_bytes, row.total_bytes, speed) if row.done_bytes else row.stage
    return PullPayload(
        task_id=task.pk,
        run_id=task.run_id,
        model=task.model_name,
        node_id=task.lane.node_id,
        node=task.lane.node.name if task.lane.node else None,
        status=PUBLIC_STATUS[TaskStatus(task.status)],
        stage=row.stage,
        layers=row.layers,
        done_bytes=row.done_bytes,
        total_bytes=row.total_bytes,
        percent=max(_percent(row, task.status), float(told["progress"] if told else 0)),
        bytes_per_second=speed,
        seconds_left=seconds_left(row.done_bytes, row.total_bytes, speed),
        words=(told or {}).get("message") or said,
        error=task.error or None,
        updated_at=iso(row.updated_at),
    )


def _percent(row: Pull, status: str) -> float:
    if status == TaskStatus.COMPLETED:
        return 100.0
    return round(min(100.0, 100 * row.done_bytes / row.total_bytes), 1) if row.total_bytes else 0.0
