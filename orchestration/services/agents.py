"""Agents: created, changed, deleted."""

from collections.abc import Iterable
from typing import Any

from django.db import transaction

from orchestration import events
from orchestration.errors import Conflict, InvalidInput, NotFound
from orchestration.models import Agent, Task, User
from orchestration.permissions import SYSTEM, Action, Actor, require
from orchestration.policy.context import check_options
from orchestration.policy.routing import full_name
from orchestration.policy.states import UNFINISHED
from orchestration.services import audit, pauses, tasks
from orchestration.services.again import atomic_again
from orchestration.services.fields import apply, save
from orchestration.services.tries import RETRY_FIELDS, check_retry_fields

DEFAULT = "default"
FIELDS = (
    "name",
    "description",
    "kind",
    "system_prompt",
    "models",
    "default_model",
    "routing_preferences",
    "options",
    "max_concurrent_tasks",
    "timeout_seconds",
    *RETRY_FIELDS,
)


@transaction.atomic
def create(*, actor: Actor, **fields: Any) -> Agent:
    """Raises InvalidInput with every problem named, Conflict when the name is taken."""
    require(actor, Action.EDIT_AGENT)
    agent = Agent(owner=User.objects.filter(pk=actor.user_id).first() if actor.user_id else None)
    _save(agent, fields)
    audit.record(actor, "agent.created", agent)
    events.on_commit(("agent", {"id": agent.pk, "name": agent.name, "change": "created"}), wake=True)
    return agent


@transaction.atomic
def update(*, actor: Actor, agent_id: int, **fields: Any) -> Agent:
    """Changes the given fields. Tasks that are already submitted keep what they were submitted with."""
    agent = _locked(agent_id)
    require(actor, Action.EDIT_AGENT, agent)
    if agent.name == DEFAULT and fields.get("name", DEFAULT) != DEFAULT:
        raise InvalidInput(f"The agent {DEFAULT} keeps its name: tasks that name no agent go to it.", field="name")
    before = {name: getattr(agent, name) for name in FIELDS}
    _save(agent, fields)
    audit.record(actor, "agent.changed", agent, changes=audit.changes(before, {n: getattr(agent, n) for n in FIELDS}))
    events.on_commit(("agent", {"id": agent.pk, "name": agent.name, "change": "changed"}), wake=True)
    return agent


@atomic_again
def delete(*, actor: Actor, agent_id: int, cancel_tasks: bool = False) -> None:
    """Its tasks keep their history under its name. Refused while some are unfinished, unless they go with it."""
    agent = _locked(agent_id)
    require(actor, Action.EDIT_AGENT, agent)
    if agent.name == DEFAULT:
        raise Conflict(f"The agent {DEFAULT} stays: tasks that name no agent go to it.")
    unfinished = list(Task.objects.filter(agent=agent, status__in=UNFINISHED).values_list("pk", flat=True))
    if unfinished and not cancel_tasks:
        raise Conflict(
            f"{agent.name} has {len(unfinished)} unfinished tasks. Wait for them, or cancel them with it.",
            unfinished=len(unfinished),
        )
    for task_id in unfinished:
        tasks.cancel(actor=actor, task_id=task_id)
    pauses.forget_agent(agent)
    audit.record(actor, "agent.deleted", agent, cancelled_tasks=len(unfinished))
    events.on_commit(("agent", {"id": agent.pk, "name": agent.name, "change": "deleted"}))
    agent.delete()


def ensure_default() -> Agent:
    """The agent for tasks that name none. It may use any model."""
    existing = Agent.objects.filter(name=DEFAULT).first()
    return existing or create(
        actor=SYSTEM, name=DEFAULT, description="Takes tasks that name no agent.", max_concurrent_tasks=100
    )


def warnings(agent: Agent, installed: Iterable[str]) -> list[str]:
    """Models the agent names that no node has: worth knowing, not an error."""
    known = set(installed)
    named = dict.fromkeys([*agent.models, agent.default_model, *agent.routing_preferences.values()])
    return [f"No node has {name}." for name in named if name and full_name(name) not in known]


def _locked(agent_id: int) -> Agent:
    agent = Agent.objects.select_for_update().filter(pk=agent_id).first()
    if agent is None:
        raise NotFound(f"There is no agent {agent_id}.")
    return agent


def _save(agent: Agent, fields: dict[str, Any]) -> None:
    apply(agent, fields, FIELDS)
    agent.name = agent.name.strip()
    _check(agent)
    agent.options = check_options(agent.options)
    check_retry_fields(agent)
    save(agent, exclude=["owner"])


def _check(agent: Agent) -> None:
    if not agent.name:
        raise InvalidInput("Give the agent a name.", field="name")
    if agent.name.isdigit():
        raise InvalidInput("A name of digits alone could be mistaken for an id.", field="name")
    if not isinstance(agent.models, list) or not all(isinstance(name, str) and name for name in agent.models):
        raise InvalidInput("models is a list of model names.", field="models")
    preferences = agent.routing_preferences
    if not isinstance(preferences, dict) or not all(isinstance(value, str) for value in preferences.values()):
        raise InvalidInput("routing_preferences maps a kind of task to a model name.", field="routing_preferences")
    if not isinstance(agent.options, dict):
        raise InvalidInput("options maps option names to values.", field="options")
