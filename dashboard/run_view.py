"""A run of steps as its page shows it: the boxes of the graph, the rows of the chart, and the step looked at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from dashboard.drawing import Box, Drawing, drawn
from dashboard.gantt import Chart, Drawn, chart
from orchestration import events
from orchestration.models import Run, Task
from orchestration.payloads.tasks import state_of
from orchestration.payloads.workflows import Items
from orchestration.policy.states import ENDED, TaskStatus
from orchestration.queries.workflows import in_definition_order, items_of, needs_of


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """One step as box and row. ``since`` is when its timer began; None while it waits and once it has ended."""

    task: Task
    name: str
    state: str
    where: str
    seconds: float | None
    since: datetime | None
    items: Items | None
    selected: bool
    broken: bool
    box: Box | None = None
    bars: Sequence[Drawn] = ()
    needs: Sequence[str] = ()

    @property
    def ring(self) -> str:
        """How much of a fan-out is done, in percent."""
        return f"{100 * self.items['completed'] / max(1, self.items['total']):.1f}" if self.items else "0"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """``broken``: names of the steps that failed or were not started because of one that did."""

    steps: list[StepView]
    drawing: Drawing
    chart: Chart
    chosen: StepView | None
    broken: frozenset[str] = field(default=frozenset())


def run_view(run: Run, chosen: str, now: datetime) -> RunView:
    tasks = list(Task.objects.filter(run=run).light().order_by("position", "pk"))
    steps = in_definition_order(run, [task for task in tasks if task.parent_id is None])
    names = _names(steps)
    needs = needs_of(names)
    over = all(task.status in ENDED for task in steps)
    gantt = chart(steps, [task for task in tasks if task.parent_id], began=run.created_at, now=now, over=over)
    drawing = drawn({names[task.pk]: needs.get(task.pk, ()) for task in steps})
    selected = _selected(steps, names, chosen)
    phases = _phases(steps)
    items = items_of(run.pk)
    boxes = {box.name: box for box in drawing.boxes}
    views = [_step(task, names, needs, boxes, gantt, items, phases, selected=task.pk == selected) for task in steps]
    return RunView(
        steps=views,
        drawing=drawing,
        chart=gantt,
        chosen=next((view for view in views if view.selected), None),
        broken=frozenset(view.name for view in views if view.broken),
    )


def _names(steps: Sequence[Task]) -> dict[int, str]:
    """Tasks of a sequence may have no names; they are counted then."""
    return {task.pk: task.step or f"step{task.position + 1}" for task in steps}


def _phases(steps: Sequence[Task]) -> dict[int, str]:
    """What workers last told of the attempts that run now."""
    attempts = {task.pk: task.attempt_id for task in steps if task.status == TaskStatus.RUNNING}
    told = events.read_progress(attempts)
    return {pk: each["phase"] for pk, each in told.items() if each["attempt_id"] == attempts[pk]}


def _selected(steps: Sequence[Task], names: Mapping[int, str], chosen: str) -> int | None:
    """The one asked for; else the first that failed, runs or waits; else the last."""
    for task in steps:
        if names[task.pk] == chosen:
            return task.pk
    for statuses in ({TaskStatus.FAILED}, {TaskStatus.RUNNING}, {TaskStatus.ASSIGNED, TaskStatus.PENDING}):
        for task in steps:
            if task.status in statuses:
                return task.pk
    return steps[-1].pk if steps else None


def _step(
    task: Task,
    names: Mapping[int, str],
    needs: Mapping[int, Sequence[str]],
    boxes: Mapping[str, Box],
    gantt: Chart,
    items: Mapping[int, Items],
    phases: Mapping[int, str],
    *,
    selected: bool,
) -> StepView:
    of_fan_out = items.get(task.pk)
    spreads = of_fan_out is not None and task.status not in ENDED
    return StepView(
        task=task,
        name=names[task.pk],
        state="generating" if spreads else state_of(task, phases.get(task.pk, "")),
        where=_where(task),
        seconds=_seconds(task, gantt.rows.get(task.pk, ())),
        since=task.started_at if task.status not in ENDED else None,
        items=of_fan_out,
        selected=selected,
        broken=task.status == TaskStatus.FAILED or task.error_code == "dependency_failed",
        box=boxes.get(names[task.pk]),
        bars=gantt.rows.get(task.pk, ()),
        needs=needs.get(task.pk, ()),
    )


def _where(task: Task) -> str:
    model = task.model_used or task.model_name
    return f"{model} @ {task.node_name}" if model and task.node_name else model or task.type


def _seconds(task: Task, bars: Sequence[Drawn]) -> float | None:
    """From its start to its end; of a fan-out, from the start of its first item."""
    if task.ended_at is None or task.skipped_because:
        return None
    if task.started_at:
        return (task.ended_at - task.started_at).total_seconds()
    spent = [
        bar.part.until - bar.part.since for bar in bars if bar.part.state != "queued" and bar.part.until is not None
    ]
    return sum(spent) if spent else None
