"""Tasks as people handle them: cancelled, retried, edited, deleted."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from orchestration import events, queue
from orchestration.errors import Conflict, NotFound
from orchestration.models import Attempt, Run, Task
from orchestration.models.tasks import TaskQuerySet
from orchestration.permissions import Action, Actor, require
from orchestration.policy.errands import is_errand
from orchestration.policy.states import ENDED, UNFINISHED, WAITING, AttemptStatus, TaskStatus
from orchestration.services import audit, outputs
from orchestration.services.again import atomic_again
from orchestration.services.announce import announce_tasks
from orchestration.services.passages import in_vain
from orchestration.services.resume import put_back
from orchestration.services.specs import TaskSpec, check_priority, check_tags
from orchestration.services.steps import tell_those_behind
from orchestration.services.submission import submit

__all__ = [
    "TaskSpec",
    "cancel",
    "delete_ended",
    "edit_waiting",
    "retry",
    "submit",
]


@atomic_again
def cancel(*, actor: Actor, task_id: int) -> Task:
    """At once for a task that waits; a running one is asked to stop and ends as cancelled when its stream is closed.

    Raises Conflict when it has already ended.
    """
    task = _get(task_id)
    require(actor, Action.CANCEL_TASK, task)
    now = timezone.now()
    if not stop(task, now):
        raise Conflict(f"Task {task_id} has already ended.", status=_get(task_id).status)
    items = [item.pk for item in task.items.filter(status__in=UNFINISHED).light() if stop(item, now)]
    needless = [other.pk for other in _light(in_vain([task_id, *items])) if stop(other, now)]
    audit.record(actor, "task.cancelled", task)
    announce_tasks([task_id, *items, *needless], wake=True)
    return _get(task_id)


def _light(task_ids: Sequence[int]) -> TaskQuerySet:
    return Task.objects.filter(pk__in=task_ids).light()


def stop(task: Task, now: datetime) -> bool:
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


@atomic_again
def retry(*, actor: Actor, task_id: int) -> Task:
    """Puts a failed or cancelled task back into the line for a new attempt.

    Conflict for any other, and for a step that cannot start because one before it did not complete.
    """
    task = _get(task_id)
    require(actor, Action.RETRY_TASK, task)
    if task.text_removed_at is not None:
        raise Conflict(f"The text of task {task_id} was removed, so there is nothing to ask again.", status=task.status)
    if is_errand(task.type):
        require(actor, Action.EDIT_MODEL)
        if task.lane.node_id is None:
            raise Conflict(f"The node that task {task_id} was for has been removed.", status=task.status)
    run = Run.objects.select_for_update(no_key=True).get(pk=task.run_id)
    again = put_back(run, [task_id], timezone.now())
    if not again:
        raise Conflict(
            f"Task {task_id} is {task.status}; only a failed or cancelled task can be retried.", status=task.status
        )
    retried = _get(task_id)
    if retried.error_code == "dependency_failed":
        raise Conflict(f"{retried.error} Retry that step, or resume the run.", status=task.status, run_id=run.pk)
    audit.record(actor, "task.retried", task)
    announce_tasks(again, wake=True)
    return retried


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
    tasks = list(_light(task_ids))
    busy = set(Task.objects.filter(parent__in=task_ids, status__in=UNFINISHED).values_list("parent_id", flat=True))
    for task in tasks:
        require(actor, Action.DELETE_TASK, task)
        if task.status not in ENDED or task.pk in busy:
            raise Conflict(f"Task {task.pk} is {task.status}; cancel it first.", status=task.status)
        audit.record(actor, "task.deleted", task)
    if awaited := [task.pk for task in tasks if task.awaited]:
        tell_those_behind(awaited, timezone.now())  # once it is gone nobody would know that they waited for it
    runs = {task.run_id for task in tasks}
    ids = [task.pk for task in tasks]
    items = Task.objects.filter(parent__in=ids).values_list("pk", flat=True)
    outputs.forget([*ids, *items])
    Task.objects.filter(pk__in=ids).delete()
    Run.objects.filter(pk__in=runs, tasks=None).delete()
    events.on_commit(*[("task_deleted", {"id": task.pk}) for task in tasks])
    return len(tasks)


def _get(task_id: int) -> Task:
    task = Task.objects.light().filter(pk=task_id).first()
    if task is None:
        raise NotFound(f"There is no task {task_id}.")
    return task
