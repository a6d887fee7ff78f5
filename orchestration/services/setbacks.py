"""Attempts that end badly: failed, lost, given back or cancelled, and what becomes of their task.

Fenced by the token like everything about attempts: whoever comes late changes no row and is told so.
"""

import random
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from orchestration import queue
from orchestration.errors import DroverError, StreamTruncated, Unreachable
from orchestration.models import Attempt, Node, NodeModel, Task
from orchestration.ollama.wire import Metrics
from orchestration.policy.errands import is_errand
from orchestration.policy.failures import blames_node
from orchestration.policy.retries import judge
from orchestration.policy.states import AttemptStatus, ErrandType, TaskStatus
from orchestration.services import inventory, pulls
from orchestration.services.announce import announce_tasks
from orchestration.services.fallbacks import following
from orchestration.services.tries import policy_in_force

LEASES_LOST_AT_MOST = 5
"""A task whose worker died this often is taken for the cause of it and fails."""
RELEASED_AT_ONCE = 500
WENT_ON = "; it went on since the last failure, so this does not count as a try"
FREE = "Back at its old place in the line; this does not count as a try"


# Half the time of a select over some 70 columns goes into columns nobody looks at.
_NEEDED_TO_END = (
    *("node_id", "model_name", "num_ctx", "started_at"),
    *("task__created_at", "task__ready_at", "task__tries", "task__own_max_tries", "task__agent_id"),
    "task__cancel_requested_at",
    "task__type",
)


@transaction.atomic
def fail(
    *,
    attempt_id: int,
    token: str,
    error: DroverError,
    output: str = "",
    thinking: str = "",
    request: dict[str, Any] | None = None,
    origins: Mapping[str, str] | None = None,
    first_token_at: datetime | None = None,
    metrics: Metrics | None = None,
    now: datetime | None = None,
) -> bool:
    """Ends the attempt; the task is tried again or fails with the error's words. False when it is no longer ours."""
    now = now or timezone.now()
    sent = {"request": request, "origins": origins, "first_token_at": first_token_at}
    ended = {"error_code": error.code, "error": error.message, **sent}
    tokens = {"prompt_tokens": metrics.prompt_tokens, "output_tokens": metrics.output_tokens} if metrics else {}
    attempt = end(attempt_id, token, AttemptStatus.FAILED, now, node_fault=blames_node(error), **ended, **tokens)
    if attempt is None:
        return False
    _go_on(attempt, token, now, error, output, thinking, **tokens)
    if attempt.node_id and _is_the_connections_fault(error):
        # After the commit: a poll locks the node first and its attempts then.
        transaction.on_commit(partial(doubt, attempt.node_id), robust=True)
    announce_tasks([attempt.task_id], wake=True)
    return True


def _go_on(
    attempt: Attempt, token: str, now: datetime, error: DroverError, output: str, thinking: str, **tokens: int
) -> None:
    """The task of a failed attempt is tried again, fails, or ends as somebody wished meanwhile."""
    task = attempt.task
    if task.cancel_requested_at:
        cancel(task, token, now, output, thinking)
        return
    errand, free = is_errand(task.type), task.type == ErrandType.PULL and pulls.went_on(task.pk)
    policy = policy_in_force(agent_id=task.agent_id, model_name=attempt.model_name, own_max_tries=task.own_max_tries)
    others = not errand and others_have_it(attempt.node_id, attempt.model_name, error)
    tries = task.tries + (not free)
    verdict = judge(policy, error, tries=tries, others=others, spread=random.random())
    retry_at = None if verdict.delay is None else now + verdict.delay
    other = following(task.pk, attempt.model_name, error) if retry_at is None else None
    words = other.words if other else f"{verdict.words}{WENT_ON if free else ''}"
    Attempt.objects.filter(pk=attempt.pk).update(retry_at=retry_at, follow_up=words, counts_as_try=not free)
    if other:
        if not _requeue(task, token, not_before=None, **other.fields):
            cancel(task, token, now, output, thinking)
        return
    counted: dict[str, Any] = {"tries": tries, "max_tries": policy.max_tries}
    if retry_at is None:
        fail_task(task, token, now, error, output, thinking, **counted, **tokens)
        return
    counted |= {"error": error.message, "error_code": error.code}
    avoided = attempt.node_id if verdict.elsewhere else None
    if not _requeue(task, token, not_before=retry_at, node_id=avoided, **counted):
        cancel(task, token, now, output, thinking)


def others_have_it(node_id: int | None, model_name: str, error: DroverError) -> bool:
    """A model that was deleted behind Drover's back is gone from one node only."""
    inventory.note_gone(node_id, model_name, error)
    holders = NodeModel.objects.filter(model__name=model_name, installed=True, node__enabled=True)
    return holders.exclude(node=node_id).exists()


def _is_the_connections_fault(error: DroverError) -> bool:
    lost = isinstance(error, StreamTruncated) and error.detail.get("cause") == "lost"
    return lost or isinstance(error, Unreachable)


def doubt(node_id: int) -> None:
    """As one failed look: until the node answers the next one, no task spends a try on it."""
    Node.objects.filter(pk=node_id, failures=0).update(failures=1)


@transaction.atomic
def give_back(*, attempt_id: int, token: str, reason: str, now: datetime | None = None) -> bool:
    """The worker cannot finish it: back into the line, and it does not count as a try."""
    now = now or timezone.now()
    attempt = lose(attempt_id, token, now, "given_back", reason)
    if attempt is None:
        return False
    announce_tasks([attempt.task_id], wake=True)
    return True


@transaction.atomic
def expire_leases(*, now: datetime) -> int:
    """Attempts whose lease has ended return to the line. The number of them."""
    expired = Attempt.objects.filter(ended_at=None, lease_until__lt=now).order_by("lease_until")
    tasks = []
    for pk, token, status in sorted(expired.values_list("pk", "token", "status")):
        never_started = status == AttemptStatus.GRANTED
        code = "never_started" if never_started else "lease_lost"
        words = "no worker took it up in time" if never_started else "its worker stopped answering"
        attempt = lose(pk, token, now, code, words)
        tasks += [attempt.task_id] if attempt else []
    announce_tasks(tasks)
    return len(tasks)


@transaction.atomic
def revoke_node(*, node_id: int, reason: str, now: datetime | None = None) -> int:
    """Everything in flight on a node moves on; its workers are told to close their streams."""
    now = now or timezone.now()
    live = Attempt.objects.filter(node_id=node_id, ended_at=None).order_by("pk").values_list("pk", "token")
    lost = [attempt for pk, token in list(live) if (attempt := lose(pk, token, now, "node_lost", reason))]
    announce_tasks([attempt.task_id for attempt in lost], wake=True)
    transaction.on_commit(partial(queue.stop_attempts, [attempt.pk for attempt in lost]), robust=True)
    return len(lost)


@transaction.atomic
def preempt(*, attempt_id: int, reason: str, now: datetime | None = None) -> bool:
    """It makes way for a high task: back at its old place in the line, and no try is used up."""
    now = now or timezone.now()
    token = Attempt.objects.filter(pk=attempt_id, ended_at=None).values_list("token", flat=True).first()
    attempt = lose(attempt_id, token, now, "preempted", reason) if token else None
    if attempt is None:
        return False
    Task.objects.filter(pk=attempt.task_id).update(preemptions=F("preemptions") + 1)
    announce_tasks([attempt.task_id], wake=True)
    transaction.on_commit(partial(queue.stop_attempt, attempt_id), robust=True)
    return True


@transaction.atomic
def release_due(*, now: datetime) -> int:
    """Tasks whose back-off is over may start again. The number of them; the rest of many comes with the next pass."""
    # Without the status, by which SQLite would look instead: only pending tasks have a time to wait for.
    due = Task.objects.filter(not_before__lte=now).order_by("not_before")
    released = list(due.values_list("pk", flat=True)[:RELEASED_AT_ONCE])
    if released:
        still = Task.objects.filter(pk__in=released, status=TaskStatus.PENDING, not_before__lte=now)
        still.update(not_before=None, version=F("version") + 1)
        announce_tasks(released)
    return len(released)


def end(attempt_id: int, token: str, status: AttemptStatus, now: datetime, **fields: Any) -> Attempt | None:
    """The attempt with its task, if it was ours to end."""
    mine = Attempt.objects.filter(pk=attempt_id, token=token, ended_at=None)
    if not mine.update(status=status, ended_at=now, **fields):
        return None
    return Attempt.objects.select_related("task").only(*_NEEDED_TO_END).get(pk=attempt_id)


def lose(attempt_id: int, token: str, now: datetime, code: str, reason: str) -> Attempt | None:
    ended = {"error_code": code, "error": reason[:500], "counts_as_try": False, "follow_up": FREE}
    attempt = end(attempt_id, token, AttemptStatus.LOST, now, **ended)
    if attempt is None:
        return None
    task = attempt.task
    if task.cancel_requested_at:
        cancel(task, token, now, "", "")
    elif code == "lease_lost" and _leases_lost(task) >= LEASES_LOST_AT_MOST:
        error = DroverError(f"The worker running this task died {LEASES_LOST_AT_MOST} times; it is not tried again.")
        Attempt.objects.filter(pk=attempt_id).update(follow_up="Not tried again: its workers keep dying")
        fail_task(task, token, now, error, "", "")
    elif not _requeue(task, token, not_before=None):
        cancel(task, token, now, "", "")
    return attempt


def _leases_lost(task: Task) -> int:
    """Since somebody last wanted it tried."""
    lost = Attempt.objects.filter(task=task, status=AttemptStatus.LOST, error_code="lease_lost")
    return lost.filter(granted_at__gte=task.waited_since).count()


_BACK_IN_LINE: dict[str, Any] = {
    "node_id": None,
    "node_name": "",
    "model_used": "",
    "started_at": None,
    "decision_reason": "",
    "progress": 0,
    "phase": "",
    "message": "",
    "error": "",
    "error_code": "",
}


def _requeue(task: Task, token: str, *, not_before: datetime | None, **fields: Any) -> bool:
    """Back into the line, at its old place. A ``node_id`` given stays noted as the one to avoid. False when somebody
    has asked to cancel since the task was read, or when it belongs to another attempt."""
    return Task.objects.filter(cancel_requested_at=None).transition(
        task.pk,
        TaskStatus.PENDING,
        held_by=token,
        token="",
        not_before=not_before,
        **{**_BACK_IN_LINE, **fields},
    )


def cancel(task: Task, token: str, now: datetime, output: str, thinking: str) -> None:
    _end_task(task, TaskStatus.CANCELLED, token, now, output, thinking, error="", error_code="")


def fail_task(
    task: Task, token: str, now: datetime, error: DroverError, output: str, thinking: str, **fields: Any
) -> None:
    words = {"error": error.message, "error_code": error.code}
    _end_task(task, TaskStatus.FAILED, token, now, output, thinking, **words, **fields)


def _end_task(task: Task, to: TaskStatus, token: str, now: datetime, output: str, thinking: str, **fields: Any) -> None:
    """What was written so far is kept."""
    Task.objects.transition(
        task.pk,
        to,
        held_by=token,
        token="",
        ended_at=now,
        duration_seconds=(now - task.created_at).total_seconds(),
        output=output,
        thinking=thinking,
        phase="",
        message="",
        **fields,
    )
