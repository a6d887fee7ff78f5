"""Running a run again from one of its steps: a new run, in which what stands before that step is taken over."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone

from orchestration import events
from orchestration.errors import NotFound, Unprocessable
from orchestration.models import Run, Task, TaskDependency
from orchestration.permissions import Action, Actor, require
from orchestration.policy.graph import downstream
from orchestration.policy.states import Gate, RunKind, TaskStatus
from orchestration.queries.workflows import in_definition_order
from orchestration.services import audit, gates
from orchestration.services.again import atomic_again
from orchestration.services.announce import announce_tasks
from orchestration.services.resume import AS_NEW
from orchestration.services.runs import time_allowed
from orchestration.services.steps import advance
from orchestration.services.submission import check_room

_OF_STEPS = (RunKind.WORKFLOW, RunKind.SEQUENCE)
_BATCH = 500
_OF_RUN = (
    *("kind", "title", "agent", "agent_name", "spec", "inputs", "workflow_version", "continue_on_error"),
    *("max_parallel", "stop_failed_percent", "max_tokens", "max_steps"),
)
_NOT_COPIED = frozenset(
    {"id", "run", "parent", "owner", "share", "status", "version", "gate", "awaited", "retried_from", "attempt_id"}
    | {"attempt_count", "preemptions", "created_at", "line_at", "ready_at", "client_ref", "content_hash"}
    | {"gathered"}
)
_TEXTS = frozenset({"input", "messages", "template"})
_TAKEN_OVER = ("output", "thinking", "tool_calls", "vectors", "model_used", "skipped_because")


@atomic_again
def rerun_from(*, actor: Actor, run_id: int, step: str) -> Run:
    """``step``: a step's name or its number from 1 on. It and all that build on it run again, and so does whatever had
    not completed. Raises NotFound, Unprocessable for a run without steps, TooManyWaiting."""
    require(actor, Action.SUBMIT_TASK)
    run = Run.objects.filter(pk=run_id).first()
    if run is None:
        raise NotFound(f"There is no run {run_id}.")
    tasks = list(run.tasks.order_by("position", "pk"))
    if any(task.text_removed_at for task in tasks):
        raise Unprocessable(
            "Texts of this run were removed, so it cannot run again from one of its steps.", run_id=run.pk
        )
    steps = in_definition_order(run, [task for task in tasks if task.parent_id is None])
    edges = list(TaskDependency.objects.filter(task__in=steps, needs__in=steps))
    again = _again(steps, edges, _find(run, steps, step))
    check_room(actor, len(again))
    now = timezone.now()
    new = _new_run(run, actor, now)
    made = _copy(new, actor, [task for task in tasks if task.parent_id not in again], again, edges, now)
    advance(new.tasks.filter(status=TaskStatus.BLOCKED), now)
    gates.let_through([new])
    audit.record(actor, "run.submitted", new, kind=new.kind, tasks=len(made), agent=new.agent_name, rerun_of=run.pk)
    events.on_commit(("tasks_added", {"run_id": new.pk, "count": len(made), "agent": new.agent_name}))
    announce_tasks([task.pk for task in made.values()], wake=True)
    return new


def _find(run: Run, steps: Sequence[Task], wanted: str) -> Task:
    if run.kind not in _OF_STEPS:
        raise Unprocessable("Only a workflow or a sequence can run again from one of its steps.", kind=run.kind)
    for number, task in enumerate(steps, start=1):
        if wanted in (task.step, str(number)):
            return task
    names = ", ".join(task.step or str(number) for number, task in enumerate(steps[:20], start=1))
    raise NotFound(f"The run has no step {wanted[:80]!r}. Its steps are {names}.", step=wanted[:80])


def _again(steps: Sequence[Task], edges: Sequence[TaskDependency], chosen: Task) -> set[int]:
    behind: dict[str, list[str]] = {str(task.pk): [] for task in steps}
    for edge in edges:
        behind[str(edge.task_id)].append(str(edge.needs_id))
    unfinished = {task.pk for task in steps if task.status != TaskStatus.COMPLETED}
    start = {chosen.pk, *unfinished}
    return start | {int(pk) for first in start for pk in downstream(behind, str(first))}


def _new_run(run: Run, actor: Actor, now: datetime) -> Run:
    deadline = None if run.deadline_at is None else now + time_allowed(run)
    fields = {name: getattr(run, name) for name in _OF_RUN}
    new = Run(**fields, owner_id=actor.user_id, rerun_of=run, deadline_at=deadline)
    new.watched = new.has_limits
    new.save()
    return new


def _copy(
    run: Run,
    actor: Actor,
    tasks: Sequence[Task],
    again: Collection[int],
    edges: Sequence[TaskDependency],
    now: datetime,
) -> dict[int, Task]:
    """The new tasks by the id of the old one."""
    waiting, needed = {edge.task_id for edge in edges}, {edge.needs_id for edge in edges}
    made: dict[int, Task] = {}
    steps = [task for task in tasks if task.parent_id is None]
    items = [task for task in tasks if task.parent_id is not None]
    for some in (steps, items):  # in this order: items name their step
        copies = [
            Task(
                **_copied(task),
                **(_to_do(task, run, task.pk in waiting, now) if task.pk in again else _done(task, now)),
                run=run,
                parent=made.get(task.parent_id or 0),
                owner_id=actor.user_id,
                share=actor.user_id or 0,
                retried_from=task,
                awaited=task.pk in needed,
                line_at=now,
            )
            for task in some
        ]
        created = Task.objects.bulk_create(copies, batch_size=_BATCH)
        made |= {task.pk: copy for task, copy in zip(some, created, strict=True)}
    _link(made, again, edges)
    return made


def _link(made: Mapping[int, Task], again: Collection[int], edges: Sequence[TaskDependency]) -> None:
    links = [
        TaskDependency(task=made[edge.task_id], needs=made[edge.needs_id], soft=edge.soft)
        for edge in edges
        if edge.task_id in again
    ]
    TaskDependency.objects.bulk_create(links, batch_size=_BATCH)
    papers = Task.documents.through.objects.filter(task__in=list(made)).values_list("task_id", "document_id")
    Task.documents.through.objects.bulk_create(
        [Task.documents.through(task=made[task_id], document_id=document) for task_id, document in papers],
        batch_size=_BATCH,
    )


def _copied(task: Task) -> dict[str, Any]:
    left_out = _NOT_COPIED | AS_NEW.keys() | _TEXTS
    names = [field.attname for field in Task._meta.concrete_fields if field.name not in left_out]
    return {name: getattr(task, name) for name in names}


def _to_do(task: Task, run: Run, waits: bool, now: datetime) -> Mapping[str, Any]:
    """As it was submitted: what was filled into it is taken out again."""
    template = {name: value for name, value in (task.template or {}).items() if name != "expanded"}
    texts = {name: template.get(name) or getattr(task, name) for name in ("input", "messages")}
    held = run.max_parallel is not None
    waits = waits or bool(template)
    return {
        **AS_NEW,
        **texts,
        "template": template or None,
        "status": TaskStatus.BLOCKED if waits or held else TaskStatus.PENDING,
        "gate": Gate.HELD if held else Gate.FREE,
        "ready_at": None if waits else now,
    }


def _done(task: Task, now: datetime) -> Mapping[str, Any]:
    """Its time and tokens were those of the run before."""
    taken = {name: getattr(task, name) for name in (*_TAKEN_OVER, *_TEXTS)}
    words = {"message": f"Taken over from run {task.run_id}"}
    return {**AS_NEW, **taken, **words, "status": task.status, "progress": 100, "ready_at": now, "ended_at": now}
