"""Attempts that have ended and are not settled yet, as plain rows: half the time of settling would go into models."""

from datetime import datetime
from typing import NamedTuple

from orchestration.models import Attempt


class Ended(NamedTuple):
    """``slots``: as many as the node says; None when it is gone. ``last_attempt_id``: the latest one of its task."""

    pk: int
    node_id: int | None
    model_name: str
    num_ctx: int
    slot: int
    status: str
    granted_at: datetime
    started_at: datetime | None
    first_token_at: datetime | None
    ended_at: datetime
    error: str
    node_fault: bool
    estimated_tokens: float
    inside_seconds: float | None
    load_seconds: float | None
    decode_seconds: float | None
    prompt_tokens: int | None
    output_tokens: int | None
    prefill_seconds: float | None
    node_name: str
    slots: int | None
    share: int
    agent_id: int | None
    agent_name: str
    type: str
    task_status: str
    last_attempt_id: int | None


_OF_OTHERS = {
    "slots": "node__slots_per_model",
    "share": "task__share",
    "agent_id": "task__agent_id",
    "agent_name": "task__agent_name",
    "type": "task__type",
    "task_status": "task__status",
    "last_attempt_id": "task__attempt_id",
}
_COLUMNS = [_OF_OTHERS.get(name, name) for name in Ended._fields]


def unsettled(most: int) -> list[Ended]:
    """The first of them. Of all attempts only these are read: they have an index of their own."""
    rows = Attempt.objects.filter(ended_at__isnull=False, settled=False).order_by("pk")
    return [Ended._make(row) for row in rows.values_list(*_COLUMNS)[:most]]
