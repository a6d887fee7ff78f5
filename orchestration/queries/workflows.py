"""Workflows: saved ones with their versions and latest runs, and one run with its steps."""

import difflib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches

from django.db.models import Count, Max, Q
from typing_extensions import TypedDict

from orchestration import payloads
from orchestration.errors import NotFound
from orchestration.models import Run, Task, TaskDependency, Workflow, WorkflowVersion
from orchestration.payloads.base import iso, stamp
from orchestration.payloads.workflows import (
    Items,
    VersionPayload,
    WorkflowPayload,
    WorkflowRunPayload,
    workflow,
    workflow_run,
    workflow_version,
)
from orchestration.policy.states import ENDED, RunKind, TaskStatus
from orchestration.policy.workflow_text import to_yaml
from orchestration.queries.ids import by_id_or_name

RUNS_SHOWN = 20
_NAME_SHOWN = 80


class RunBar(TypedDict):
    """One of the latest runs of a workflow. ``ended_at`` is None while something is unfinished."""

    id: int
    status: str
    created_at: str
    ended_at: str | None
    seconds: float | None


def workflows() -> list[WorkflowPayload]:
    return [workflow(row) for row in Workflow.objects.select_related("owner")]


def get_workflow(id_or_name: str | int) -> Workflow:
    """Raises NotFound with the nearest names."""
    key = str(id_or_name)
    row = by_id_or_name(Workflow.objects.select_related("owner"), key)
    if row is None:
        names = list(Workflow.objects.values_list("name", flat=True))
        near = get_close_matches(key[:_NAME_SHOWN], names, n=3, cutoff=0.5)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise NotFound(f"There is no workflow {key[:_NAME_SHOWN]!r}.{hint}", workflow=key[:_NAME_SHOWN])
    return row


def workflow_detail(row: Workflow) -> WorkflowPayload:
    return workflow(row, get_version(row, row.latest).definition)


def get_version(row: Workflow, number: int) -> WorkflowVersion:
    found = row.versions.filter(number=number).first()
    if found is None:
        raise NotFound(f"{row.name} has no version {number}; the newest is {row.latest}.")
    return found


def versions(row: Workflow) -> list[VersionPayload]:
    """Newest first."""
    return [workflow_version(each) for each in row.versions.defer("definition")]


def difference(row: Workflow, before: int, after: int) -> str:
    """A unified diff of the two as YAML; empty when they are the same."""
    old, new = (to_yaml(get_version(row, number).definition).splitlines() for number in (before, after))
    lines = difflib.unified_diff(old, new, f"version {before}", f"version {after}", lineterm="")
    return "\n".join(lines)


def run_of_workflow(run_id: int) -> WorkflowRunPayload:
    """Steps in the order of the definition, without the items of fan-outs. NotFound for a run of another kind."""
    run = Run.objects.select_related("workflow_version").filter(pk=run_id, kind=RunKind.WORKFLOW).first()
    if run is None:
        raise NotFound(f"There is no run {run_id} of a workflow.")
    steps = in_definition_order(run, list(Task.objects.filter(run=run, parent=None)))
    return workflow_run(run, steps, needs_of({task.pk: task.step for task in steps}), items_of(run_id))


def in_definition_order(run: Run, steps: Sequence[Task]) -> list[Task]:
    names = [step.get("name") for step in run.spec.get("steps", ())]
    rank = {name: place for place, name in enumerate(names)}
    return sorted(steps, key=lambda task: (rank.get(task.step, task.position), task.position))


def needs_of(names: Mapping[int, str]) -> dict[int, list[str]]:
    """By id of task: the names of the steps it waits for. ``names`` by id of task."""
    edges = TaskDependency.objects.filter(task__in=list(names), needs__in=list(names)).order_by("needs__position")
    found: dict[int, list[str]] = defaultdict(list)
    for task_id, needed in edges.values_list("task_id", "needs_id"):
        found[task_id].append(names[needed])
    return found


def items_of(run_id: int) -> dict[int, Items]:
    """By id of the fan-out step: how its items stand."""
    bad = (TaskStatus.FAILED, TaskStatus.CANCELLED)
    rows = Task.objects.filter(run_id=run_id).exclude(parent=None).order_by().values("parent_id")
    counts = rows.annotate(
        total=Count("pk"),
        completed=Count("pk", filter=Q(status=TaskStatus.COMPLETED)),
        failed=Count("pk", filter=Q(status__in=bad)),
    )
    return {
        row["parent_id"]: Items(total=row["total"], completed=row["completed"], failed=row["failed"]) for row in counts
    }


def latest_runs(workflow_ids: Collection[int]) -> dict[int, list[RunBar]]:
    """By workflow: its last runs, oldest first."""
    found: dict[int, list[RunBar]] = {}
    for workflow_id in workflow_ids:
        rows = Run.objects.filter(workflow_version__workflow=workflow_id).order_by("-pk")[:RUNS_SHOWN]
        found[workflow_id] = bars(list(rows))[::-1]
    return found


def bars(runs: Sequence[Run]) -> list[RunBar]:
    counts: dict[int, dict[str, int]] = defaultdict(dict)
    grouped = Task.objects.filter(run__in=runs).order_by().values_list("run_id", "status")
    for run_id, status, number in grouped.annotate(Count("pk")):
        word = payloads.PUBLIC_STATUS[TaskStatus(status)]
        counts[run_id][word] = counts[run_id].get(word, 0) + number
    ends = dict(Task.objects.filter(run__in=runs).order_by().values_list("run_id").annotate(Max("ended_at")))
    return [_bar(run, payloads.run(run, counts=counts[run.pk])["status"], ends.get(run.pk)) for run in runs]


def _bar(run: Run, status: str, ended_at: datetime | None) -> RunBar:
    over = ended_at if status in ENDED else None
    seconds = (over - run.created_at).total_seconds() if over else None
    return RunBar(id=run.pk, status=status, created_at=stamp(run.created_at), ended_at=iso(over), seconds=seconds)
