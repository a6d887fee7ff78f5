"""Workflows, their versions, and what became of a run of one, on the wire."""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired

from typing_extensions import TypedDict

from orchestration.models import Run, Task, Workflow, WorkflowVersion
from orchestration.payloads.base import stamp
from orchestration.payloads.runs import run
from orchestration.payloads.tasks import PUBLIC_STATUS, Metrics, metrics, output_of
from orchestration.policy.states import TaskStatus


class WorkflowPayload(TypedDict):
    """``version`` is the newest one, and ``definition`` that one's."""

    id: int
    name: str
    description: str
    agent_id: int | None
    owner: str | None
    owner_id: int | None
    version: int
    created_at: str
    updated_at: str
    definition: NotRequired[dict[str, Any]]


class VersionPayload(TypedDict):
    workflow_id: int
    version: int
    note: str
    author: str
    created_at: str
    definition: NotRequired[dict[str, Any]]


class Items(TypedDict):
    """Of a fan-out step, by how they ended or stand; ``total`` of all."""

    total: int
    completed: int
    failed: int


class StepPayload(TypedDict):
    """``input`` as filled in: before its turn comes, with the placeholders still in it. ``success`` is None until it
    has ended; a step that was skipped is a success with the reason in ``skipped_because``."""

    name: str
    type: str
    input: Any
    output: Any
    model_used: str | None
    success: bool | None
    error: str | None
    status: str
    metrics: Metrics
    task_id: int
    depends_on: list[str]
    skipped_because: str | None
    items: Items | None


class WorkflowRunPayload(TypedDict):
    """``success`` is None while something is unfinished; ``error`` names the first step that failed."""

    id: int
    name: str
    agent_id: int | None
    workflow_id: int | None
    version: int | None
    status: str
    success: bool | None
    steps: list[StepPayload]
    inputs: dict[str, Any]
    error: str | None
    created_at: str


def workflow(row: Workflow, definition: Mapping[str, Any] | None = None) -> WorkflowPayload:
    payload = WorkflowPayload(
        id=row.pk,
        name=row.name,
        description=row.description,
        agent_id=row.agent_id,
        owner=row.owner.username if row.owner else None,
        owner_id=row.owner_id,
        version=row.latest,
        created_at=stamp(row.created_at),
        updated_at=stamp(row.updated_at),
    )
    if definition is not None:
        payload["definition"] = dict(definition)
    return payload


def workflow_version(row: WorkflowVersion, *, whole: bool = False) -> VersionPayload:
    payload = VersionPayload(
        workflow_id=row.workflow_id,
        version=row.number,
        note=row.note,
        author=row.author_name,
        created_at=stamp(row.created_at),
    )
    if whole:
        payload["definition"] = row.definition
    return payload


def workflow_run(
    row: Run, tasks: Sequence[Task], needs: Mapping[int, Sequence[str]], items: Mapping[int, Items]
) -> WorkflowRunPayload:
    """``tasks``: its steps in the order of the definition. ``needs`` and ``items`` by id of task."""
    counts: dict[str, int] = {}
    for task in tasks:
        word = PUBLIC_STATUS[TaskStatus(task.status)]
        counts[word] = counts.get(word, 0) + 1
    status = run(row, counts=counts)["status"]
    version = row.workflow_version
    return WorkflowRunPayload(
        id=row.pk,
        name=row.title,
        agent_id=row.agent_id,
        workflow_id=version.workflow_id if version else None,
        version=version.number if version else None,
        status=status,
        success={"completed": True, "failed": False, "cancelled": False}.get(status),
        steps=[_step(task, needs.get(task.pk, ()), items.get(task.pk)) for task in tasks],
        inputs=row.inputs,
        error=run_error(row, tasks),
        created_at=stamp(row.created_at),
    )


def run_error(row: Run, tasks: Sequence[Task]) -> str | None:
    """Why it did not end well, with the step named."""
    failed = next((task for task in tasks if task.status == TaskStatus.FAILED), None)
    if failed is not None:
        return f"Step {failed.step or failed.position + 1} failed: {failed.error or failed.error_code}"
    return row.stopped_reason or None


def _step(task: Task, needs: Sequence[str], items: Items | None) -> StepPayload:
    ended = {TaskStatus.COMPLETED: True, TaskStatus.FAILED: False, TaskStatus.CANCELLED: False}
    return StepPayload(
        name=task.step,
        type=task.type,
        input=task.messages if task.messages is not None else task.input,
        output=output_of(task),
        model_used=task.model_used or None,
        success=ended.get(TaskStatus(task.status)),
        error=task.error or None,
        status=PUBLIC_STATUS[TaskStatus(task.status)],
        metrics=metrics(task),
        task_id=task.pk,
        depends_on=list(needs),
        skipped_because=task.skipped_because or None,
        items=items,
    )
