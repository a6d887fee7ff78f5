"""Attempts: started, renewed and ended by the worker that holds their token.

Every function is fenced by the token: a late or doubled call changes no row and says so by False or None.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from orchestration.models import Attempt, NodeModel, Task
from orchestration.models.rows import Change, update_each
from orchestration.models.tasks import Move
from orchestration.ollama.wire import Metrics
from orchestration.policy.states import AttemptStatus, TaskStatus
from orchestration.queries.facts import forget, model_facts
from orchestration.services.announce import announce_tasks
from orchestration.services.setbacks import cancel, end, lose
from orchestration.services.work import AttemptWork, work_of


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptResult:
    """What a finished attempt brings home. ``request`` is what was sent, without images, and ``origins`` who
    decided each part of it. ``asked``: whether the node
    was asked at all; ``message``: what people should know of how it went."""

    output: str = ""
    thinking: str = ""
    tool_calls: Sequence[Mapping[str, Any]] = ()
    vectors: list[list[float]] | None = None
    metrics: Metrics
    first_token_at: datetime | None = None
    done_reason: str | None = None
    request: dict[str, Any] | None = None
    origins: Mapping[str, str] | None = None
    message: str = ""
    asked: bool = True


@dataclass(frozen=True, slots=True)
class Renewal:
    """``lost``: attempts that are no longer ours. ``cancel``: those somebody wants to end."""

    lost: set[int] = field(default_factory=set)
    cancel: set[int] = field(default_factory=set)


class Success(NamedTuple):
    """What a worker brings to complete an attempt."""

    attempt_id: int
    token: str
    result: AttemptResult


# Half the time of a select over some 70 columns goes into columns nobody looks at.
_NEEDED_TO_START = (
    *("model_name", "num_ctx", "number", "token"),
    *("node__name", "node__base_url", "node__verify_tls", "node__sealed_headers"),
    *("task__status", "task__token", "task__cancel_requested_at", "task__type", "task__input", "task__messages"),
    *("task__system_prompt", "task__images", "task__options", "task__format", "task__tools", "task__think"),
    *("task__keep_alive_seconds", "task__timeout_seconds", "task__agent_name", "task__extension", "task__parameters"),
    *("task__passages", "task__origins"),
)
_NEEDED_TO_COMPLETE = (
    *("token", "node_id", "model_name", "num_ctx", "started_at"),
    *("task__created_at", "task__ready_at"),
)


def start(*, attempt_id: int, token: str, worker: str, now: datetime | None = None) -> AttemptWork | None:
    """Starts the attempt if the token still holds it. None: a duplicate or a late delivery, drop the job."""
    return start_many([(attempt_id, token)], worker=worker, now=now)[0]


@transaction.atomic
def start_many(
    claims: Sequence[tuple[int, str]], *, worker: str, now: datetime | None = None
) -> list[AttemptWork | None]:
    """The same for many attempts with their tokens, in a fixed number of statements."""
    now = now or timezone.now()
    granted = _locked(AttemptStatus.GRANTED, [attempt_id for attempt_id, _ in claims], _NEEDED_TO_START)
    works = [_work_of(granted.pop(attempt_id, None), token, now) for attempt_id, token in claims]
    started = {work.attempt_id: work.task_id for work in works if work}
    running = {"status": AttemptStatus.RUNNING, "started_at": now, "worker": worker}
    Attempt.objects.filter(pk__in=started).update(lease_until=now + settings.DROVER_LEASE, **running)
    Task.objects.filter(pk__in=started.values()).transition_all(TaskStatus.RUNNING, started_at=now)
    announce_tasks(started.values())
    return works


def _locked(status: AttemptStatus, attempt_ids: Sequence[int], columns: Sequence[str]) -> dict[int, Attempt]:
    """Those in this state, with their tasks: until the end of the transaction nobody else changes either."""
    live = Attempt.objects.filter(pk__in=attempt_ids, status=status, ended_at=None).order_by("pk")
    related = {name.partition("__")[0] for name in columns if "__" in name}
    rows = live.select_for_update(of=("self", "task")).select_related(*related).only(*columns)
    return {attempt.pk: attempt for attempt in rows}


def _work_of(attempt: Attempt | None, token: str, now: datetime) -> AttemptWork | None:
    if attempt is None or attempt.token != token:
        return None
    task = attempt.task
    if task.token != token or task.status != TaskStatus.ASSIGNED:
        end(attempt.pk, token, AttemptStatus.LOST, now, counts_as_try=False)
    elif task.cancel_requested_at:
        cancelled(attempt_id=attempt.pk, token=token, now=now)
    elif attempt.node is None:
        lose(attempt.pk, token, now, "node_lost", "its node was removed")
        announce_tasks([task.pk], wake=True)
    else:
        return work_of(attempt, task, attempt.node)
    return None


def complete(*, attempt_id: int, token: str, result: AttemptResult, now: datetime | None = None) -> bool:
    """Result and metrics in one transaction. False when the attempt is no longer ours."""
    return complete_many([Success(attempt_id, token, result)], now=now)[0]


@transaction.atomic
def complete_many(successes: Sequence[Success], *, now: datetime | None = None) -> list[bool]:
    """The same for many attempts, in a fixed number of statements."""
    now = now or timezone.now()
    running = _locked(AttemptStatus.RUNNING, [each.attempt_id for each in successes], _NEEDED_TO_COMPLETE)
    ended: list[Change] = []
    moves: list[Move] = []
    ours: list[bool] = []
    for success in successes:
        attempt = running.get(success.attempt_id)
        ours.append(attempt is not None and attempt.token == success.token)
        if attempt is not None and ours[-1]:
            del running[attempt.pk]
            ended.append(({"id": attempt.pk, "token": success.token}, _of_attempt(success.result)))
            moves.append(Move(attempt.task_id, success.token, _of_task(attempt, success.result, now)))
            if success.result.asked:
                _note_resident(attempt, now)
    update_each(Attempt, ended, same={"status": AttemptStatus.COMPLETED, "ended_at": now})
    Task.objects.transition_each(TaskStatus.COMPLETED, moves, ended_at=now, **_DONE)
    announce_tasks([move.task_id for move in moves], wake=bool(moves))
    return ours


_DONE = {"token": "", "progress": 100, "phase": "", "error": "", "error_code": ""}


def _of_attempt(result: AttemptResult) -> dict[str, Any]:
    return {
        "first_token_at": result.first_token_at,
        "request": result.request,
        "origins": result.origins,
        "inside_seconds": _inside_seconds(result.metrics),
        **_measured(result),
    }


def _inside_seconds(metrics: Metrics) -> float | None:
    """None where the server does not tell the parts, as of embedding."""
    return metrics.queued_inside.total_seconds() if metrics.prefill or metrics.decode else None


def _of_task(attempt: Attempt, result: AttemptResult, now: datetime) -> dict[str, Any]:
    return {
        "output": result.output,
        "thinking": result.thinking,
        "tool_calls": list(result.tool_calls),
        "vectors": result.vectors,
        "message": result.message[:300],
        **_measured(result),
        **_waits(attempt, result, now),
    }


def _measured(result: AttemptResult) -> dict[str, Any]:
    metrics = result.metrics
    return {
        "load_seconds": metrics.load.total_seconds(),
        "prefill_seconds": metrics.prefill.total_seconds(),
        "decode_seconds": metrics.decode.total_seconds(),
        "prompt_tokens": metrics.prompt_tokens,
        "output_tokens": metrics.output_tokens,
    }


def _waits(attempt: Attempt, result: AttemptResult, now: datetime) -> dict[str, Any]:
    """Where the task's time went. Queued is the wait in Drover plus the wait for a slot inside Ollama."""
    started = attempt.started_at or now
    first = result.first_token_at
    waited = (started - attempt.task.waited_since) + result.metrics.queued_inside
    return {
        "queued_seconds": max(0.0, waited.total_seconds()),
        "first_token_seconds": (first - started).total_seconds() if first else None,
        "duration_seconds": (now - attempt.task.created_at).total_seconds(),
    }


def _note_resident(attempt: Attempt, now: datetime) -> None:
    """Whatever answered is loaded: the next decision need not wait until a poll has seen it."""
    node_id, model = attempt.node_id, attempt.model_name
    if node_id is None or model_facts(node_id, model).loaded_context is not None:
        return
    here = NodeModel.objects.filter(node_id=node_id, model__name=model, loaded=False)
    if here.update(loaded=True, loaded_context=attempt.num_ctx, last_used_at=now):
        forget(node_id, model)


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
