"""Attempts on the wire."""

from typing import Any

from typing_extensions import TypedDict

from orchestration.models import Attempt
from orchestration.payloads.base import iso, stamp


class AttemptPayload(TypedDict):
    """One try of a task. ``follow_up``: what became of the task after it, in words. ``node_fault``: whether it counts
    against the node's circuit."""

    id: int
    number: int
    status: str
    node: str
    model: str
    num_ctx: int
    slot: int
    worker: str
    decision_reason: str
    counts_as_try: bool
    granted_at: str
    started_at: str | None
    first_token_at: str | None
    ended_at: str | None
    retry_at: str | None
    error_code: str | None
    error: str | None
    node_fault: bool
    follow_up: str | None
    load_seconds: float | None
    prefill_seconds: float | None
    decode_seconds: float | None
    prompt_tokens: int | None
    output_tokens: int | None
    request: dict[str, Any] | None


def attempt(row: Attempt) -> AttemptPayload:
    return AttemptPayload(
        id=row.pk,
        number=row.number,
        status=row.status,
        node=row.node_name,
        model=row.model_name,
        num_ctx=row.num_ctx,
        slot=row.slot,
        worker=row.worker,
        decision_reason=row.decision_reason,
        counts_as_try=row.counts_as_try,
        granted_at=stamp(row.granted_at),
        started_at=iso(row.started_at),
        first_token_at=iso(row.first_token_at),
        ended_at=iso(row.ended_at),
        retry_at=iso(row.retry_at),
        error_code=row.error_code or None,
        error=row.error or None,
        node_fault=row.node_fault,
        follow_up=row.follow_up or None,
        load_seconds=row.load_seconds,
        prefill_seconds=row.prefill_seconds,
        decode_seconds=row.decode_seconds,
        prompt_tokens=row.prompt_tokens,
        output_tokens=row.output_tokens,
        request=row.request,
    )
