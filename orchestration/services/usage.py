"""Daily sums of what ended attempts took, told when they are settled: each is counted exactly once."""

from collections.abc import Sequence
from datetime import UTC
from typing import Any

from orchestration.models import UsageDay
from orchestration.models.rows import add_to_each
from orchestration.models.usage import SUMS
from orchestration.policy.states import AttemptStatus, TaskStatus
from orchestration.services.ended import Ended

_PLACE = ("day", "share", "agent_name", "model_name", "node_name", "type")
_TOLD = ("prompt_tokens", "output_tokens", "load_seconds", "prefill_seconds", "decode_seconds")


def count(ended: Sequence[Ended]) -> None:
    """Errands that use no memory of a node, such as downloads, are not counted: they have no context."""
    sums: dict[tuple[Any, ...], dict[str, float]] = {}
    for row in ended:
        if not row.num_ctx:
            continue
        place = (
            row.ended_at.astimezone(UTC).date(),
            row.share,
            row.agent_name,
            row.model_name,
            row.node_name,
            row.type,
        )
        into = sums.setdefault(place, dict.fromkeys(SUMS, 0))
        for name, value in _taken(row).items():
            into[name] += value
    add_to_each(UsageDay, [{**dict(zip(_PLACE, key, strict=True)), **row} for key, row in sums.items()], unique=_PLACE)


def _taken(row: Ended) -> dict[str, float]:
    completed = row.status == AttemptStatus.COMPLETED
    told = {name: getattr(row, name) or 0 for name in _TOLD}
    since_start = (row.ended_at - row.started_at).total_seconds() if row.started_at else 0.0
    is_last = row.last_attempt_id == row.pk and row.task_status == TaskStatus.FAILED
    waited = row.first_token_at - row.started_at if row.first_token_at and row.started_at else None
    return {
        **told,
        "completed": completed,
        "failed": is_last,
        "failed_tries": row.status in (AttemptStatus.FAILED, AttemptStatus.LOST),
        "cancelled_tries": row.status == AttemptStatus.CANCELLED,
        "run_seconds": max(0.0, since_start) if completed else 0.0,
        "broken_seconds": max(0.0, since_start) if not completed and not _was_told(row) else 0.0,
        "first_tokens": waited is not None,
        "first_token_seconds": max(0.0, waited.total_seconds()) if waited else 0.0,
    }


def _was_told(row: Ended) -> bool:
    return row.decode_seconds is not None
