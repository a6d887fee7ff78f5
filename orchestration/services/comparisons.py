"""Comparisons: the same prompts to several models, and votes for the best answer of each row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from orchestration import events
from orchestration.errors import Conflict, InvalidInput, NotFound, Unprocessable
from orchestration.models import Agent, Node, NodeModel, Run, Task, Vote
from orchestration.permissions import Action, Actor, require
from orchestration.policy.routing import full_name
from orchestration.policy.states import RunKind, TaskStatus, TaskType
from orchestration.queries.comparisons import get_comparison
from orchestration.queries.fleet import get_node
from orchestration.services import audit
from orchestration.services.specs import TaskSpec
from orchestration.services.submission import RunPlan, submit_run

MOST_PROMPTS = 200
MOST_COLUMNS = 12


@dataclass(frozen=True, slots=True)
class Column:
    """A model, and by id or name the node that is to answer; empty for any."""

    model: str
    node: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """``parameters`` are Ollama options, the same for every cell."""

    prompts: Sequence[str]
    columns: Sequence[Column]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    priority: int = 1
    title: str = ""


def start(
    *,
    actor: Actor,
    agent: Agent,
    asked: Asked,
    idempotency_key: str | None = None,
    request_hash: str = "",
    allow_missing_models: bool = False,
) -> Run:
    """Cells are tasks, row by row. Raises InvalidInput, Unprocessable, and what ``submit_run`` raises."""
    require(actor, Action.SUBMIT_TASK)
    prompts = [text.strip() for text in asked.prompts]
    _check(prompts, asked.columns)
    columns = [(full_name(column.model), _node(column, allow_missing_models)) for column in asked.columns]
    if len({(model, node.pk if node else None) for model, node in columns}) < len(columns):
        raise InvalidInput("Two columns are the same.", field="columns")
    specs = [
        TaskSpec(
            type=TaskType.GENERATE,
            input=prompt,
            model_name=model,
            parameters=asked.parameters,
            priority=asked.priority,
            node_id=node.pk if node else None,
        )
        for prompt in prompts
        for model, node in columns
    ]
    shown = [{"model": model, "node": node.name if node else None} for model, node in columns]
    spec = {"prompts": prompts, "columns": shown, "parameters": dict(asked.parameters)}
    return submit_run(
        actor=actor,
        agent=agent,
        specs=specs,
        plan=RunPlan(kind=RunKind.COMPARISON, title=asked.title, spec=spec),
        idempotency_key=idempotency_key,
        request_hash=request_hash,
        allow_missing_models=allow_missing_models,
    )


def _check(prompts: Sequence[str], columns: Sequence[Column]) -> None:
    if not 1 <= len(prompts) <= MOST_PROMPTS or not all(prompts):
        raise InvalidInput(f"Give 1 to {MOST_PROMPTS} prompts, none of them empty.", field="prompts")
    if not 2 <= len(columns) <= MOST_COLUMNS:
        raise InvalidInput(f"Compare 2 to {MOST_COLUMNS} models.", field="columns")
    if not all(column.model.strip() for column in columns):
        raise InvalidInput("Each column names a model.", field="columns")


def _node(column: Column, allow_missing: bool) -> Node | None:
    if not column.node:
        return None
    node = get_node(column.node)
    name = full_name(column.model)
    if not allow_missing and not NodeModel.objects.filter(node=node, model__name=name, installed=True).exists():
        raise Unprocessable(f"{node.name} does not have {name}.", field="columns", model=name, node=node.name)
    return node


@transaction.atomic
def vote(*, actor: Actor, run_id: int, row: int, task_id: int, blind: bool = False) -> Vote:
    """One vote for each person and row; another one takes its place, and is not blind any more.

    Raises NotFound, Conflict (the answer is not complete).
    """
    require(actor, Action.VOTE)
    run = get_comparison(run_id)
    width = len(run.spec["columns"])
    task = Task.objects.filter(run=run, pk=task_id, position__gte=row * width, position__lt=(row + 1) * width).first()
    if task is None or actor.user_id is None:
        raise NotFound(f"Row {row} of comparison {run_id} has no answer {task_id}.")
    if task.status != TaskStatus.COMPLETED:
        raise Conflict("Only an answer that is complete can be the best one.", status=task.status)
    earlier = Vote.objects.select_for_update().filter(run=run, voter_id=actor.user_id, row=row).first()
    if earlier and earlier.task_id == task_id:
        return earlier
    fields = {"task": task, "blind": blind and earlier is None}
    given, _ = Vote.objects.update_or_create(run=run, voter_id=actor.user_id, row=row, defaults=fields)
    audit.record(actor, "comparison.voted", run, row=row, task=task_id, blind=given.blind)
    events.on_commit(("run", {"id": run_id}))
    return given
