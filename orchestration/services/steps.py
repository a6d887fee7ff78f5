"""Steps of a run: when those before them have ended they are filled in, skipped, spread over a list, or ended.

The scheduler does this in its pass. It starts from the tasks that ended while others waited for them, so that its cost
does not grow with the queue.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import DatabaseError, DataError, IntegrityError, transaction
from django.db.models import Exists, OuterRef

from orchestration.errors import DroverError, InternalError
from orchestration.models import Task, TaskDependency
from orchestration.models.tasks import TaskQuerySet
from orchestration.policy.conditions import parse
from orchestration.policy.states import ENDED, UNFINISHED, Gate, TaskStatus
from orchestration.services import fanout, gates
from orchestration.services.announce import announce_tasks
from orchestration.services.answers import Answers, filled
from orchestration.services.passages import choose
from orchestration.services.routes import Placed, Rooms

log = logging.getLogger(__name__)

_AT_ONCE = 500
_SHOWN = ("run_id", "position", "step", "title", "status", "created_at")
_ROUNDS = 50
"""Steps that are skipped one after the other in one pass; the rest of a longer chain comes with the next."""


@transaction.atomic
def promote(*, now: datetime) -> int:
    """Blocked tasks whose dependencies have ended go on, or end with them. The number that moved.

    A step whose predecessor did not complete is cancelled with all that wait for it, unless its run goes on after
    errors or it waits for the end only.
    """
    moved: list[int] = []
    for _ in range(_ROUNDS):
        rows = Task.objects.filter(awaited=True, status__in=ENDED)
        ended = list(rows.values_list("pk", flat=True)[:_AT_ONCE])
        if not ended:
            break
        moved += tell_those_behind(ended, now)
    moved += gates.let_through()
    announce_tasks(moved)
    return len(moved)


def tell_those_behind(ended: Sequence[int], now: datetime) -> list[int]:
    """Those that moved because these have ended."""
    behind = TaskDependency.objects.filter(needs__in=ended).values("task_id")
    moved = advance(Task.objects.filter(pk__in=behind), now)
    Task.objects.filter(pk__in=ended, status__in=ENDED).update(awaited=False)
    return moved


def advance(tasks: TaskQuerySet, now: datetime) -> list[int]:
    """Those of these steps that moved, because nothing they need is unfinished any more."""
    waiting_for = TaskDependency.objects.filter(task=OuterRef("pk"), needs__status__in=UNFINISHED)
    blocked = tasks.filter(status=TaskStatus.BLOCKED, ready_at=None)
    free = list(blocked.exclude(Exists(waiting_for)).select_related("run").only("run__continue_on_error"))
    broken = _broken_dependencies(free)
    over = {task.pk: broken[task.pk] for task in free if task.pk in broken and not task.run.continue_on_error}
    ready = [task.pk for task in free if task.pk not in over]
    moved = _end_behind({step.pk: step for step in over.values()}, now)
    # Only what is blocked still: what somebody has cancelled meanwhile could become pending, too, by a retry.
    still = Task.objects.filter(pk__in=ready, status=TaskStatus.BLOCKED, ready_at=None)
    plain = still.filter(template__isnull=True)
    moved += list(plain.values_list("pk", flat=True))
    # Locked: its gate must not change, nor anybody cancel it, between this look and what is made of it.
    rows = still.filter(template__isnull=False).select_for_update(of=("self",)).order_by("pk")
    templated = list(rows.select_related("run", "lane", "agent", "owner").defer("run__spec", "run__report"))
    plain.filter(gate=Gate.HELD).update(ready_at=now)
    plain.transition_all(TaskStatus.PENDING, ready_at=now)
    around = _Around(Answers(), Rooms())
    for task in templated:
        moved += _go_on(task, around, now)
    return moved


class _Around(NamedTuple):
    """What the steps of one look have in common."""

    answers: Answers
    rooms: Rooms


def _go_on(task: Task, around: _Around, now: datetime) -> list[int]:
    """A step with something to fill in. Whatever is wrong with it ends it alone: all other work waits for this pass."""
    try:
        with transaction.atomic():
            return _settle(task, around, now)
    except DroverError as error:
        return _fail(task, error, now)
    except (DataError, IntegrityError):
        log.exception("the database does not take what step %s is filled in with", task.pk)
        return _fail(task, InternalError("The database does not take what this step is filled in with."), now)
    except DatabaseError:
        raise
    except Exception as error:
        log.exception("step %s cannot be filled in", task.pk)
        return _fail(task, InternalError(f"A fault inside Drover ({type(error).__name__}); its log has more."), now)


def _fail(task: Task, error: DroverError, now: datetime) -> list[int]:
    words = {"error": error.message, "error_code": error.code}
    blocked = Task.objects.filter(status=TaskStatus.BLOCKED)
    blocked.transition(task.pk, TaskStatus.FAILED, **_ended(task, now), **words)
    return [task.pk]


def _settle(task: Task, around: _Around, now: datetime) -> list[int]:
    template = task.template or {}
    if "expanded" in template:
        fanout.join(task, now, _ended(task, now))
        return [task.pk]
    values = around.answers.for_step(task)
    condition = template.get("condition")
    if condition and not parse(condition).holds(values):
        skip: dict[str, Any] = {"skipped_because": f"Not so: {condition}"[:300], "output": "", "progress": 100}
        Task.objects.transition(task.pk, TaskStatus.COMPLETED, **_ended(task, now), **skip)
        return [task.pk]
    if template.get("for_each") is not None:
        items = fanout.spread(task, values, now)
        return [task.pk, *advance(Task.objects.filter(pk__in=items), now)]
    fields = {**filled(template, values), **(choose(task, values) if "documents" in template else {})}
    _start(task, fields, around.rooms.place(task, fields), now)
    return [task.pk]


def _start(task: Task, fields: dict[str, Any], placed: Placed, now: datetime) -> None:
    fields |= {"lane": placed.lane, "ready_at": now, "message": placed.note or fields.get("message", "")}
    if placed.said:
        fields["origins"] = {**task.origins, **{name: found.origin for name, found in placed.said.items()}}
    if task.gate == Gate.HELD:
        Task.objects.filter(pk=task.pk, status=TaskStatus.BLOCKED).update(version=task.version + 1, **fields)
    else:
        Task.objects.transition(task.pk, TaskStatus.PENDING, **fields)


def _ended(task: Task, now: datetime) -> dict[str, Any]:
    return {"ended_at": now, "duration_seconds": (now - task.created_at).total_seconds()}


def _broken_dependencies(tasks: Sequence[Task]) -> dict[int, Task]:
    """By task: one that it needs and that did not complete."""
    edges = TaskDependency.objects.filter(task__in=[task.pk for task in tasks], soft=False).select_related("needs")
    broken = edges.exclude(needs__status=TaskStatus.COMPLETED).order_by("-pk")
    rows = broken.only("task_id", *(f"needs__{name}" for name in _SHOWN))
    return {row.task_id: row.needs for row in rows}


def _end_behind(broken: Mapping[int, Task], now: datetime) -> list[int]:
    """Everything behind these steps, at once: one pass for each of them would take hours for a long sequence."""
    edges = _hard_edges({step.run_id for step in broken.values()}) if broken else {}
    moved: list[int] = []
    for step in broken.values():
        ids = _behind(step.pk, edges)
        Task.objects.filter(pk__in=ids, status=TaskStatus.BLOCKED).transition_all(
            TaskStatus.CANCELLED,
            **_ended(step, now),
            error_code="dependency_failed",
            error=f"{called(step)} {step.status}, so this one was not started.",
        )
        moved += ids
    return moved


def called(task: Task) -> str:
    """How a step is named to people."""
    return f"Step {task.position + 1} “{task.step or task.title}”"


def _hard_edges(run_ids: Collection[int]) -> dict[int, list[int]]:
    """By step: the blocked ones that need it."""
    edges: dict[int, list[int]] = {}
    blocked = TaskDependency.objects.filter(task__run__in=run_ids, task__status=TaskStatus.BLOCKED, soft=False)
    for waiting, needed in blocked.values_list("task_id", "needs_id"):
        edges.setdefault(needed, []).append(waiting)
    return edges


def _behind(step_id: int, edges: dict[int, list[int]]) -> list[int]:
    """All that need this step, directly or not, each once: their edges are used up."""
    found: dict[int, None] = {}
    look_behind = [step_id]
    while look_behind:
        waiting_here = [pk for pk in edges.pop(look_behind.pop(), []) if pk not in found]
        found |= dict.fromkeys(waiting_here)
        look_behind += waiting_here
    return list(found)
