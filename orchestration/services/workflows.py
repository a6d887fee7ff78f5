"""Workflows: saved, changed, restored, deleted; and run, saved or as they come."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import transaction

from orchestration import events
from orchestration.errors import Conflict, DroverError, NotFound, Unprocessable
from orchestration.models import Agent, Run, Workflow, WorkflowVersion
from orchestration.permissions import Action, Actor, require
from orchestration.policy.states import RunKind
from orchestration.policy.stepping import Planned, plan
from orchestration.policy.templates import references
from orchestration.policy.transfer_diff import same
from orchestration.policy.workflows import Definition, Input, Problem, Step, as_json, invalid, near, read
from orchestration.queries.people import get_agent
from orchestration.services import audit
from orchestration.services.again import atomic_again
from orchestration.services.agents import DEFAULT
from orchestration.services.fields import save
from orchestration.services.specs import TaskSpec
from orchestration.services.specs import checked as checked_spec
from orchestration.services.submission import RunPlan, submit_run


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a run of a workflow is asked for with. ``agent`` None: the one of the definition, else ``default``."""

    inputs: Mapping[str, Any] = field(default_factory=dict)
    agent: str | int | None = None
    idempotency_key: str | None = None
    request_hash: str = ""
    allow_missing_models: bool = False


def checked(data: Any) -> tuple[Definition, list[Planned]]:
    """The definition with its steps in the order they are submitted. Raises InvalidWorkflow with every problem."""
    definition = read(data)
    planned = plan(definition)
    problems = list(_problems(definition, planned))
    if problems:
        raise invalid(problems)
    return definition, planned


def _problems(definition: Definition, planned: list[Planned]) -> Iterator[Problem]:
    try:
        _agent(definition.agent)
    except NotFound as error:
        yield Problem(message=error.message, field="agent")
    for each in sorted(planned, key=lambda each: each.number):
        try:
            checked_spec(_spec(each))
            _agent(each.step.agent)
        except DroverError as error:
            where = str(error.detail.get("field", "agent" if isinstance(error, NotFound) else ""))
            yield Problem(message=error.message, field=where, step=each.step.name, number=each.number)


def _agent(named: str | int | None) -> Agent | None:
    return None if named is None else get_agent(named)


@transaction.atomic
def create(*, actor: Actor, definition: Any, note: str = "") -> Workflow:
    """Raises InvalidWorkflow, Conflict when the name is taken."""
    require(actor, Action.EDIT_WORKFLOW)
    read_, _ = checked(definition)
    workflow = Workflow(owner_id=actor.user_id, latest=0)
    _save(actor, workflow, read_, note)
    audit.record(actor, "workflow.created", workflow)
    _announce(workflow, "created")
    return workflow


@atomic_again
def update(*, actor: Actor, workflow_id: int, definition: Any, note: str = "", based_on: int | None = None) -> Workflow:
    """A new version, unless nothing differs. Raises Conflict when ``based_on`` is not the newest any more."""
    workflow = _locked(workflow_id)
    require(actor, Action.EDIT_WORKFLOW, workflow)
    if based_on is not None and based_on != workflow.latest:
        by = workflow.versions.get(number=workflow.latest).author_name or "somebody"
        raise Conflict(
            f"Version {workflow.latest} has been saved meanwhile, by {by}; yours began from {based_on}.",
            latest=workflow.latest,
        )
    read_, _ = checked(definition)
    if not same(workflow.versions.get(number=workflow.latest).definition, as_json(read_)):
        _save(actor, workflow, read_, note)
        audit.record(actor, "workflow.changed", workflow, version=workflow.latest)
        _announce(workflow, "changed")
    return workflow


@atomic_again
def restore(*, actor: Actor, workflow_id: int, number: int) -> Workflow:
    """An earlier version becomes the newest one again."""
    workflow = _locked(workflow_id)
    old = _version(workflow, number)
    return update(actor=actor, workflow_id=workflow_id, definition=old.definition, note=f"Version {number} restored")


@atomic_again
def delete(*, actor: Actor, workflow_id: int) -> None:
    """Its runs stay, with the steps they were made of."""
    workflow = _locked(workflow_id)
    require(actor, Action.EDIT_WORKFLOW, workflow)
    audit.record(actor, "workflow.deleted", workflow)
    _announce(workflow, "deleted")
    workflow.delete()


def _save(actor: Actor, workflow: Workflow, definition: Definition, note: str) -> None:
    workflow.name = definition.name
    workflow.description = definition.description
    workflow.agent = _agent(definition.agent)
    workflow.latest += 1
    save(workflow, exclude=["owner", "agent"])
    WorkflowVersion.objects.create(
        workflow=workflow,
        number=workflow.latest,
        definition=as_json(definition),
        note=note.strip()[:200],
        author_id=actor.user_id,
        author_name=actor.name,
    )


def _announce(workflow: Workflow, change: str) -> None:
    events.on_commit(("workflow", {"id": workflow.pk, "name": workflow.name, "change": change}))


def _locked(workflow_id: int) -> Workflow:
    workflow = Workflow.objects.select_for_update().filter(pk=workflow_id).first()
    if workflow is None:
        raise NotFound(f"There is no workflow {workflow_id}.")
    return workflow


def _version(workflow: Workflow, number: int) -> WorkflowVersion:
    version = workflow.versions.filter(number=number).first()
    if version is None:
        raise NotFound(f"{workflow.name} has no version {number}; the newest is {workflow.latest}.")
    return version


def run_saved(*, actor: Actor, workflow_id: int, number: int | None = None, asked: Asked) -> Run:
    """The newest version unless ``number`` says otherwise. Raises what ``run_once`` raises."""
    workflow = Workflow.objects.filter(pk=workflow_id).first()
    if workflow is None:
        raise NotFound(f"There is no workflow {workflow_id}.")
    version = _version(workflow, workflow.latest if number is None else number)
    return _run(actor, version.definition, asked, version)


def run_once(*, actor: Actor, definition: Any, asked: Asked) -> Run:
    """Steps that are saved nowhere; whatever inputs are given may be quoted.

    Raises InvalidWorkflow, Unprocessable for inputs that lack or are unknown, and what ``submit_run`` raises.
    """
    declared = {**(definition.get("inputs") or {}), **{name: {} for name in asked.inputs}}
    return _run(actor, {**definition, **({"inputs": declared} if declared else {})}, asked, None)


def _run(actor: Actor, data: Any, asked: Asked, version: WorkflowVersion | None) -> Run:
    require(actor, Action.SUBMIT_TASK)
    definition, planned = checked(data)
    agent = get_agent(asked.agent if asked.agent is not None else definition.agent or DEFAULT)
    limits = definition.limits
    return submit_run(
        actor=actor,
        agent=agent,
        specs=[_spec(each) for each in planned],
        plan=RunPlan(
            kind=RunKind.WORKFLOW,
            title=definition.name,
            continue_on_error=definition.continue_on_error,
            max_parallel=limits.max_parallel,
            max_seconds=limits.max_seconds,
            max_tokens=limits.max_tokens,
            max_steps=limits.max_steps,
            spec=as_json(definition),
            inputs=values(definition, asked.inputs),
            workflow_version_id=version.pk if version else None,
        ),
        idempotency_key=asked.idempotency_key,
        request_hash=asked.request_hash,
        allow_missing_models=asked.allow_missing_models,
    )


def values(definition: Definition, given: Mapping[str, Any]) -> dict[str, Any]:
    """Of every input. Raises Unprocessable for one that is required but not given, and for one that is unknown."""
    known = {each.name for each in definition.inputs}
    for name in given:
        if name not in known:
            raise Unprocessable(f"There is no input {name[:60]!r}. {near(name, sorted(known))}", field=f"inputs.{name}")
    lacking = [each.name for each in definition.inputs if each.required and _empty(_value(each, given))]
    if lacking:
        raise Unprocessable(f"Give a value for {', '.join(lacking)}.", field=f"inputs.{lacking[0]}", missing=lacking)
    return {each.name: _value(each, given) for each in definition.inputs}


def _value(each: Input, given: Mapping[str, Any]) -> Any:
    found = given.get(each.name, each.default)
    return "" if found is None else found


def _empty(value: Any) -> bool:
    return isinstance(value, str) and not value.strip()


def _spec(planned: Planned) -> TaskSpec:
    step = planned.step
    spec = TaskSpec(
        type=step.type,
        input="" if step.input is None else step.input,
        messages=step.messages,
        model_name=step.model_name,
        preset=step.preset,
        parameters=step.parameters,
        format=step.format,
        think=step.think,
        timeout_seconds=step.timeout_seconds,
        max_tries=step.max_tries,
        step=step.name,
        needs=planned.needs,
        after=planned.after,
        agent_id=None if step.agent is None else get_agent(step.agent).pk,
    )
    template = _template(step, planned.names)
    return replace(spec, template=template) if template else spec


_OF_FAN_OUT = ("for_each", "parallel", "most")


def _template(step: Step, names: Mapping[str, int]) -> dict[str, Any]:
    """Empty where there is nothing to fill in: the prompt is sent as it was written."""
    filled = any(references(text) or "\\{{" in text for _, text in step.texts())
    if not (filled or step.condition or step.for_each is not None or step.system is not None):
        return {}
    texts: dict[str, Any] = {"input": step.input} if step.messages is None else {"messages": step.messages}
    optional = {name: getattr(step, name) for name in ("system", "condition", *_OF_FAN_OUT)}
    return {
        **texts,
        **{name: value for name, value in optional.items() if value not in (None, "")},
        "names": dict(names),
    }
