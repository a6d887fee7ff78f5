"""Attempts: started, renewed and ended by the worker that holds their token.

Every function is fenced by the token: a late or doubled call changes no row and says so by False or None.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from orchestration.models import Attempt, NodeModel, Task
from orchestration.ollama.wire import Metrics
from orchestration.policy.states import AttemptStatus, TaskStatus
from orchestration.queries.facts import forget, model_facts
from orchestration.services.announce import announce_tasks
from orchestration.services.setbacks import cancel, end, lose
from orchestration.services.work import AttemptWork, work_of


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptResult:
    """What a finished attempt brings home. ``request`` is what was sent, without images."""

    output: str = ""
    thinking: str = ""
    tool_calls: Sequence[Mapping[str, Any]] = ()
    vectors: list[list[float]] | None = None
    metrics: Metrics
    first_token_at: datetime | None = None
    done_reason: str | None = None
    request: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Renewal:
    """``lost``: attempts that are no longer ours. ``cancel``: those somebody wants to end."""

    lost: set[int] = field(default_factory=set)
    cancel: set[int] = field(default_factory=set)


# Half the time of a select over some 70 columns goes into columns nobody looks at.
_NEEDED_TO_START = (
    *("model_name", "num_ctx", "number", "token"),
    *("node__name", "node__base_url", "node__verify_tls"),
    *("task__cancel_requested_at", "task__type", "task__input", "task__messages", "task__system_prompt"),
    *("task__images", "task__options", "task__format", "task__tools", "task__think"),
    *("task__keep_alive_seconds", "task__timeout_seconds"),
)


@transaction.atomic
def start(*, attempt_id: int, token: str, worker: str, now: datetime | None = None) -> AttemptWork | None:
    """Starts the attempt if the token still holds it. None: a duplicate or a late delivery, drop the job."""
    now = now or timezone.now()
    mine = Attempt.objects.filter(pk=attempt_id, token=token, status=AttemptStatus.GRANTED, ended_at=None)
    started = {"status": AttemptStatus.RUNNING, "started_at": now, "worker": worker}
    if not mine.update(lease_until=now + settings.DROVER_LEASE, **started):
        return None
    attempt = Attempt.objects.select_related("task", "node").only(*_NEEDED_TO_START).get(pk=attempt_id)
    if attempt.node is None or attempt.task.cancel_requested_at:
        lose(attempt_id, token, now, "node_lost", "its node was removed")
        return None
    if not Task.objects.transition(attempt.task_id, TaskStatus.RUNNING, held_by=token, started_at=now):
        end(attempt_id, token, AttemptStatus.LOST, now, counts_as_try=False)
        return None
    announce_tasks([attempt.task_id])
    return work_of(attempt, attempt.task, attempt.node)


@transaction.atomic
def complete(*, attempt_id: int, token: str, result: AttemptResult, now: datetime | None = None) -> bool:
    """Result and metrics in one transaction. False when the attempt is no longer ours."""
    now = now or timezone.now()
    attempt = end(attempt_id, token, AttemptStatus.COMPLETED, now, **_measured(result), request=result.request)
    if attempt is None:
        return False
    Task.objects.transition(
        attempt.task_id,
        TaskStatus.COMPLETED,
        held_by=token,
        token="",
        ended_at=now,
        progress=100,
        phase="",
        message="",
        error="",
        error_code="",
        output=result.output,
        thinking=result.thinking,
        tool_calls=list(result.tool_calls),
        vectors=result.vectors,
        **_timings(attempt, now, result),
    )
    _note_resident(attempt, now)
    announce_tasks([attempt.task_id], wake=True)
    return True


def _note_resident(attempt: Attempt, now: datetime) -> None:
    """Whatever answered is loaded: the next decision need not wait until a poll has seen it."""
    node_id, model = attempt.node_id, attempt.model_name
    if node_id is None or model_facts(node_id, model).loaded_context is not None:
        return
    here = NodeModel.objects.filter(node_id=node_id, model__name=model, loaded=False)
    if here.update(loaded=True, loaded_context=attempt.num_ctx, last_used_at=now):
        forget(node_id, model)


def _measured(result: AttemptResult) -> dict[str, Any]:
    metrics = result.metrics
    return {
        "first_token_at": result.first_token_at,
        "load_seconds": metrics.load.total_seconds(),
        "prefill_seconds": metrics.prefill.total_seconds(),
        "decode_seconds": metrics.decode.total_seconds(),
        "prompt_tokens": metrics.prompt_tokens,
        "output_tokens": metrics.output_tokens,
    }


def _timings(attempt: Attempt, now: datetime, result: AttemptResult) -> dict[str, Any]:
    """Where the task's time went. Queued is the wait in Drover plus the wait for a slot inside Ollama."""
    started = attempt.started_at or now
    first = result.first_token_at
    measured = _measured(result)
    measured.pop("first_token_at")
    waited = (started - attempt.task.waited_since) + result.metrics.queued_inside
    return {
        **measured,
        "queued_seconds": max(0.0, waited.total_seconds()),
        "first_token_seconds": (first - started).total_seconds() if first else None,
        "duration_seconds": (now - attempt.task.created_at).total_seconds(),
    }


@transaction.atomic
def cancelled(
    *, attempt_id: int, token: str, output: str = "", thinking: str = "", now: datetime | None = None
) -> bool:
    """The stream was closed because somebody asked for it. What was written so far is kept."""
    now = now or timezone.now()
    attempt = end(attempt_id, token, AttemptStatus.CANCELLED, now)
    if attempt is None:
        return False
    cancel(attempt.task, token, now, output, thinking)
    announce_tasks([attempt.task_id], wake=True)
    return True


@transaction.atomic
def renew(*, tokens: Mapping[int, str], now: datetime | None = None) -> Renewal:
    """Renews the leases of all a worker holds in one statement and tells what became of the rest."""
    if not tokens:
        return Renewal()
    now = now or timezone.now()
    mine = Attempt.objects.filter(pk__in=tokens, token__in=tokens.values(), ended_at=None)
    mine.update(lease_until=now + settings.DROVER_LEASE)
    held = dict(mine.values_list("pk", "task__cancel_requested_at"))
    return Renewal(lost=set(tokens) - set(held), cancel={pk for pk, asked in held.items() if asked})
