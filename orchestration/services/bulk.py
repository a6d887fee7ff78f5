"""One action on every task that matches a filter: chunk by chunk, each a short transaction, told once at the end.

What is done is decided by one look at the beginning: a task that comes to match later is not touched.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import F, FloatField, Func, Q, Value
from django.utils import timezone

from orchestration import events, queue
from orchestration.errors import Conflict
from orchestration.models import Attempt, Task
from orchestration.models.tasks import TaskQuerySet
from orchestration.permissions import Action, Actor, reaches_others, require
from orchestration.policy.states import ENDED, UNFINISHED, WAITING, TaskStatus
from orchestration.queries import TaskFilter
from orchestration.services import audit, tasks
from orchestration.services.again import atomic_again
from orchestration.services.announce import announce_tasks
from orchestration.services.passages import in_vain
from orchestration.services.specs import check_priority

UNCONFIRMED = 100
"""So many are changed without the caller having said how many they expect."""
CHUNK = 500
ANNOUNCED_ONE_BY_ONE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """``ids``: tasks that the action would change now; ``foreign``: how many more belong to somebody else."""

    ids: Sequence[int]
    foreign: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """``matched`` is what the action could apply to, and the sum of the rest.

    ``foreign`` belongs to somebody else, ``moved_on`` started or ended before its turn came.
    """

    matched: int
    changed: int
    foreign: int
    moved_on: int


def cancel_matching(
    *, actor: Actor, task_filter: TaskFilter, expected: int | None = None, up_to: int | None = None
) -> Outcome:
    """Cancels what waits and asks what runs to stop; what has ended does not count as matching.

    ``expected`` is how many the caller wants to cancel at most, needed for more than UNCONFIRMED and for an empty
    filter; ``up_to`` the id of the newest task to look at. Raises Conflict when more match.
    """
    match = cancellable(actor=actor, task_filter=task_filter, up_to=up_to)
    _confirm(match, task_filter, expected)
    now = timezone.now()
    changed = in_chunks(match.ids, lambda ids: cancel_tasks(ids, now))
    return _told(actor, "tasks.cancelled", task_filter, match, changed)


def set_priority_matching(
    *, actor: Actor, task_filter: TaskFilter, priority: int, expected: int | None = None, up_to: int | None = None
) -> Outcome:
    """The same for the priority of tasks that wait; those that have it already do not count as matching."""
    wanted = check_priority(priority)
    match = movable(actor=actor, task_filter=task_filter, priority=wanted, up_to=up_to)
    _confirm(match, task_filter, expected)
    changed = in_chunks(match.ids, lambda ids: _set_priority(ids, wanted))
    return _told(actor, "tasks.priority_changed", task_filter, match, changed, priority=wanted.value)


def cancellable(*, actor: Actor, task_filter: TaskFilter, up_to: int | None = None) -> Match:
    asked = Q(status=TaskStatus.RUNNING, cancel_requested_at__isnull=False)
    rows = task_filter.apply(Task.objects.filter(status__in=UNFINISHED).exclude(asked))
    return _match(actor, Action.CANCEL_TASK, rows, up_to)


def movable(*, actor: Actor, task_filter: TaskFilter, priority: int | None, up_to: int | None = None) -> Match:
    """Tasks whose priority can be changed, to ``priority`` if that is known already."""
    waiting = Task.objects.filter(status__in=WAITING)
    rows = task_filter.apply(waiting if priority is None else waiting.exclude(priority=priority))
    return _match(actor, Action.EDIT_TASK, rows, up_to)


def _match(actor: Actor, action: Action, rows: TaskQuerySet, up_to: int | None) -> Match:
    require(actor, action)
    rows = rows.order_by("pk") if up_to is None else rows.filter(pk__lte=up_to).order_by("pk")
    if reaches_others(actor, action):
        return Match(ids=list(rows.values_list("pk", flat=True)), foreign=0)
    found = list(rows.values_list("pk", "owner_id"))
    own = [pk for pk, owner_id in found if actor.user_id is not None and owner_id == actor.user_id]
    return Match(ids=own, foreign=len(found) - len(own))


def _confirm(match: Match, task_filter: TaskFilter, expected: int | None) -> None:
    count = len(match.ids)
    if expected is None and count and (count > UNCONFIRMED or task_filter.is_empty):
        raise Conflict(f"This is about {count:,} tasks: say that you expect {count}.", matched=count)
    if expected is not None and count > expected:
        raise Conflict(f"{count:,} tasks match by now, not {expected:,}: nothing was changed.", matched=count)


def in_chunks(ids: Sequence[int], change: Callable[[Sequence[int]], list[int]]) -> list[int]:
    """The ids that changed."""
    chunks = (ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK))
    return [pk for chunk in chunks for pk in change(chunk)]


@atomic_again
def cancel_tasks(ids: Sequence[int], now: datetime) -> list[int]:
    """Those of them that were cancelled or asked to stop."""
    live = Attempt.objects.filter(task__in=ids, ended_at=None).order_by("pk")
    list(live.select_for_update().values_list("pk"))  # as workers lock them: else the two wait for each other
    tasks.free_slots(ids, now)
    waiting = Task.objects.filter(pk__in=ids, status__in=WAITING | {TaskStatus.ASSIGNED})
    seconds = _SecondsUntil(Value(now), F("created_at"))
    waiting.transition_all(TaskStatus.CANCELLED, **tasks.ended_unstarted(now), duration_seconds=seconds)
    running = Task.objects.filter(pk__in=ids, status=TaskStatus.RUNNING, cancel_requested_at=None)
    running.update(cancel_requested_at=now, version=F("version") + 1)
    changed = Task.objects.filter(pk__in=ids, cancel_requested_at=now).values_list("pk", "status", "attempt_id")
    tasks.free_slots([pk for pk, status, _ in changed if status in ENDED], now)  # given between the first two steps
    asked = [attempt_id for _, status, attempt_id in changed if status not in ENDED and attempt_id is not None]
    transaction.on_commit(partial(queue.stop_attempts, asked), robust=True)
    if needless := in_vain(ids):
        announce_tasks(cancel_tasks(needless, now))
    return [pk for pk, _, _ in changed]


class _SecondsUntil(Func):
    """Between a column and a moment, which Django subtracts to something else on each database."""

    output_field = FloatField()
    template = "EXTRACT(EPOCH FROM (%(expressions)s))"
    arg_joiner = " - "

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "(%(expressions)s) * 86400.0"
        days = [Func(part, function="julianday") for part in self.get_source_expressions()]
        return Func(*days, template=template, arg_joiner=" - ", output_field=FloatField()).as_sql(
            compiler, connection, **context
        )


@atomic_again
def _set_priority(ids: Sequence[int], priority: int) -> list[int]:
    waiting = Task.objects.filter(pk__in=ids, status__in=WAITING)
    waiting.update(priority=priority, version=F("version") + 1)
    return list(waiting.filter(priority=priority).values_list("pk", flat=True))


@transaction.atomic
def _told(
    actor: Actor, action: str, task_filter: TaskFilter, match: Match, changed: Sequence[int], **detail: Any
) -> Outcome:
    """One audit entry for all; rows are announced one by one only if they are few."""
    outcome = Outcome(
        matched=len(match.ids) + match.foreign,
        changed=len(changed),
        foreign=match.foreign,
        moved_on=len(match.ids) - len(changed),
    )
    if changed:
        skipped = {"foreign": outcome.foreign, "moved_on": outcome.moved_on}
        audit.record_many(
            actor, action, Task, len(changed), filter=task_filter.to_query(), tasks=len(changed), **skipped, **detail
        )
    if len(changed) <= ANNOUNCED_ONE_BY_ONE:
        announce_tasks(changed, wake=bool(changed))
    else:
        events.on_commit(("tasks_changed", {"count": len(changed)}), wake=True)
    return outcome
