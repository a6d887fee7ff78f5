"""Tasks as people handle them: cancelled, retried, edited, deleted; and the steps of a run that become ready."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef
from django.utils import timezone

from orchestration import events, queue
from orchestration.errors import Conflict, NotFound
from orchestration.models import Attempt, Run, Task, TaskDependency
from orchestration.permissions import Action, Actor, require
from orchestration.policy.states import ENDED, UNFINISHED, WAITING, AttemptStatus, TaskStatus
from orchestration.services import audit
from orchestration.services.again import atomic_again
from orchestration.services.announce import announce_tasks
from orchestration.services.specs import TaskSpec, check_priority, check_tags
from orchestration.services.submission import submit

__all__ = [
    "TaskSpec",
    "cancel",
    "cancel_run",
    "delete_ended",
    "edit_waiting",
    "promote",
    "retry",
    "submit",
]


_PROMOTED_AT_ONCE = 500


@atomic_again
def cancel(*, actor: Actor, task_id: int) -> Task:
    """At once for a task that waits; a running one is asked to stop and ends as cancelled when its stream is closed.

    Raises Conflict when it has already ended.
    """
    task = _get(task_id)
    require(actor, Action.CANCEL_TASK, task)
    if not _stop(task, timezone.now()):
        raise Conflict(f"Task {task_id} has already ended.", status=_get(task_id).status)
    audit.record(actor, "task.cancelled", task)
    announce_tasks([task_id], wake=True)
    return _get(task_id)


@atomic_again
def cancel_run(*, actor: Actor, run_id: int) -> int:
    """Cancels whatever of the run has not ended. The number of tasks."""
    run = Run.objects.filter(pk=run_id).first()
    if run is None:
        raise NotFound(f"There is no run {run_id}.")
    require(actor, Action.CANCEL_TASK, run)
    now = timezone.now()
    line = Task.objects.filter(run=run, status__in=UNFINISHED).light()
    unfinished = list(line.order_by("attempt_id", "pk"))  # as workers lock them: else the two wait for each other
    cancelled = [task for task in unfinished if _stop(task, now)]
    audit.record(actor, "run.cancelled", run, tasks=len(cancelled))
    announce_tasks([task.pk for task in cancelled], wake=True)
    return len(cancelled)


def _stop(task: Task, now: datetime) -> bool:
    """False when it has ended. Between the two looks it may have moved on, so they are repeated until one holds."""
    while Task.objects.filter(pk=task.pk, status__in=UNFINISHED).exists():
        if _cancel_waiting(task, now) or _ask_to_stop(task):
            return True
    return False


def _cancel_waiting(task: Task, now: datetime) -> bool:
    """Ends a task that no worker has started. A slot already granted to it becomes free."""
    free_slots([task.pk], now)
    seconds = (now - task.created_at).total_seconds()
    waiting = Task.objects.filter(status__in=WAITING | {TaskStatus.ASSIGNED})
    return waiting.transition(task.pk, TaskStatus.CANCELLED, **ended_unstarted(now), duration_seconds=seconds)


def free_slots(task_ids: Sequence[int], now: datetime) -> None:
    """Of those tasks that no worker has started."""
    held = Attempt.objects.filter(task__in=task_ids, ended_at=None, status=AttemptStatus.GRANTED)
    held.update(status=AttemptStatus.CANCELLED, ended_at=now, counts_as_try=False)


def ended_unstarted(now: datetime) -> dict[str, Any]:
    """What a task is like that is cancelled before a worker has started it, beside its duration."""
    return {
        **{"token": "", "cancel_requested_at": now, "ended_at": now, "not_before": None},
        **{"phase": "", "message": "", "error": "", "error_code": ""},
    }


def _ask_to_stop(task: Task) -> bool:
    """For a running task only its worker, or the end of its lease, writes the end."""
    running = Task.objects.filter(pk=task.pk, status=TaskStatus.RUNNING)
    running.filter(cancel_requested_at=None).update(cancel_requested_at=timezone.now(), version=F("version") + 1)
    asked = running.exclude(cancel_requested_at=None).values_list("attempt_id").first()
    if asked is None:
        return False
    if (attempt_id := asked[0]) is not None:
        transaction.on_commit(lambda: queue.stop_attempt(attempt_id), robust=True)
    return True


@transaction.atomic
def retry(*, actor: Actor, task_id: int) -> Task:
    """Puts a failed or cancelled task back into the line for a new attempt. Conflict for any other."""
    task = _get(task_id)
    require(actor, Action.RETRY_TASK, task)
    ended = Task.objects.filter(status__in=ENDED)
    awaited = task.dependents.filter(task__status=TaskStatus.BLOCKED).exists()
    if not ended.transition(task_id, TaskStatus.PENDING, **_AS_NEW, awaited=awaited, ready_at=timezone.now()):
        raise Conflict(
            f"Task {task_id} is {task.status}; only a failed or cancelled task can be retried.", status=task.status
        )
    audit.record(actor, "task.retried", task)
    announce_tasks([task_id], wake=True)
    return _get(task_id)


_AS_NEW: dict[str, Any] = {
    "token": "",
    "tries": 0,
    "node": None,
    "node_name": "",
    "model_used": "",
    "decision_reason": "",
    "not_before": None,
    "started_at": None,
    "ended_at": None,
    "cancel_requested_at": None,
    "progress": 0,
    "phase": "",
    "message": "",
    "error": "",
    "error_code": "",
    "output": "",
    "thinking": "",
    "tool_calls": [],
    "vectors": None,
    "prompt_tokens": None,
    "output_tokens": None,
    "queued_seconds": None,
    "load_seconds": None,
    "prefill_seconds": None,
    "decode_seconds": None,
    "first_token_seconds": None,
    "duration_seconds": None,
}


@transaction.atomic
def edit_waiting(*, actor: Actor, task_id: int, priority: int | None = None, tags: Sequence[str] | None = None) -> Task:
    """Priority and tags of a task that has not started."""
    task = _get(task_id)
    require(actor, Action.EDIT_TASK, task)
    fields: dict[str, object] = {}
    if priority is not None:
        fields["priority"] = check_priority(priority)
    if tags is not None:
        fields["tags"] = check_tags(tags)
    if not Task.objects.filter(pk=task_id, status__in=WAITING).update(version=F("version") + 1, **fields):
        raise Conflict(f"Task {task_id} is {task.status}; only a waiting task can be changed.", status=task.status)
    before = {"priority": task.priority, "tags": task.tags}
    audit.record(actor, "task.changed", task, changes=audit.changes(before, fields))
    announce_tasks([task_id], wake=True)
    return _get(task_id)


@atomic_again
def delete_ended(*, actor: Actor, task_ids: Sequence[int]) -> int:
    """Deletes tasks that have ended, with their attempts; a run without tasks goes too. The number of tasks.

    Raises Conflict, and deletes nothing, when one of them has not ended.
    """
    tasks = list(Task.objects.filter(pk__in=task_ids).light())
    for task in tasks:
        require(actor, Action.DELETE_TASK, task)
        if task.status not in ENDED:
            raise Conflict(f"Task {task.pk} is {task.status}; cancel it first.", status=task.status)
        audit.record(actor, "task.deleted", task)
    if awaited := [task.pk for task in tasks if task.awaited]:
        _tell_those_behind(awaited, timezone.now())  # once it is gone nobody would know that they waited for it
    runs = {task.run_id for task in tasks}
    Task.objects.filter(pk__in=[task.pk for task in tasks]).delete()
    Run.objects.filter(pk__in=runs, tasks=None).delete()
    events.on_commit(*[("task_deleted", {"id": task.pk}) for task in tasks])
    return len(tasks)


@transaction.atomic
def promote(*, now: datetime) -> int:
    """Blocked tasks whose dependencies have ended become pending, or end with them. The number that moved.

    It starts from the tasks that ended while others waited for them, so that its cost does not grow with the queue.

    A step whose predecessor did not complete is cancelled with all that wait for it, unless its run goes on after
    errors.
    """
    ended = list(Task.objects.filter(awaited=True, status__in=ENDED).values_list("pk", flat=True)[:_PROMOTED_AT_ONCE])
    return _tell_those_behind(ended, now) if ended else 0


def _tell_those_behind(ended: Sequence[int], now: datetime) -> int:
    waiting_for = TaskDependency.objects.filter(task=OuterRef("pk"), needs__status__in=UNFINISHED)
    behind = TaskDependency.objects.filter(needs__in=ended).values("task_id")
    blocked = Task.objects.filter(pk__in=behind, status=TaskStatus.BLOCKED)
    free = list(blocked.exclude(Exists(waiting_for)).light().select_related("run"))
    broken = _broken_dependencies(free)
    ready = [task.pk for task in free if task.pk not in broken or task.run.continue_on_error]
    # Only what is blocked still: what somebody has cancelled meanwhile could become pending, too, by a retry.
    Task.objects.filter(pk__in=ready, status=TaskStatus.BLOCKED).transition_all(TaskStatus.PENDING, ready_at=now)
    over = [task for task in free if task.pk in broken and not task.run.continue_on_error]
    moved = [*ready, *(task_id for task in over for task_id in _end_with(task, broken[task.pk], now))]
    Task.objects.filter(pk__in=ended, status__in=ENDED).update(awaited=False)
    announce_tasks(moved)
    return len(moved)


def _broken_dependencies(tasks: Sequence[Task]) -> dict[int, Task]:
    """By task: one that it needs and that did not complete."""
    edges = TaskDependency.objects.filter(task__in=[task.pk for task in tasks]).select_related("needs")
    broken = edges.exclude(needs__status=TaskStatus.COMPLETED).order_by("-pk")
    rows = broken.only("task_id", "needs__position", "needs__title", "needs__status")
    return {row.task_id: row.needs for row in rows}


def _end_with(task: Task, broken: Task, now: datetime) -> list[int]:
    """The task and everything behind it: one pass for each step would take hours for a long sequence."""
    ids = [task.pk, *_behind(task)]
    Task.objects.filter(pk__in=ids, status=TaskStatus.BLOCKED).transition_all(
        TaskStatus.CANCELLED,
        ended_at=now,
        duration_seconds=(now - task.created_at).total_seconds(),
        error_code="dependency_failed",
        error=f"Step {broken.position + 1} “{broken.title}” {broken.status}, so this one was not started.",
    )
    return ids


def _behind(task: Task) -> list[int]:
    """The blocked tasks of the run that wait for this one, directly or not."""
    edges: dict[int, list[int]] = {}
    blocked = TaskDependency.objects.filter(task__run=task.run_id, task__status=TaskStatus.BLOCKED)
    for waiting, needed in blocked.values_list("task_id", "needs_id"):
        edges.setdefault(needed, []).append(waiting)
    found: list[int] = []
    look_behind = [task.pk]
    while look_behind:
        waiting_here = edges.pop(look_behind.pop(), [])
        found += waiting_here
        look_behind += waiting_here
    return found


def _get(task_id: int) -> Task:
    task = Task.objects.light().filter(pk=task_id).first()
    if task is None:
        raise NotFound(f"There is no task {task_id}.")
    return task
