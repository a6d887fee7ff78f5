"""Agents: created, changed, deleted."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db import transaction

from orchestration import events, extensions
from orchestration.errors import Conflict, InvalidInput, NotFound
from orchestration.models import Agent, Task, User
from orchestration.permissions import SYSTEM, Action, Actor, require
from orchestration.policy.kinds import Kind, named
from orchestration.policy.options import check_options
from orchestration.policy.routing import MOST_FALLBACKS, full_name
from orchestration.policy.schemas import check_schema
from orchestration.policy.states import UNFINISHED
from orchestration.queries.levels import Levels
from orchestration.services import audit, pauses, tasks
from orchestration.services.again import atomic_again
from orchestration.services.fields import apply, save
from orchestration.services.specs import PLAIN, THINK_LEVELS
from orchestration.services.tries import RETRY_FIELDS, check_retry_fields

DEFAULT = "default"
OF_DEFAULT: dict[str, Any] = {"description": "Takes tasks that name no agent.", "max_concurrent_tasks": 100}
FIELDS = (
    "name",
    "description",
    "kind",
    "system_prompt",
    "models",
    "default_model",
    "routing_preferences",
    "preset",
    "options",
    "max_concurrent_tasks",
    "timeout_seconds",
    "fallbacks",
    "think",
    "prefer_labels",
    "answer_schema",
    "memory_enabled",
    "router",
    "extension",
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
    return existing or create(actor=SYSTEM, name=DEFAULT, **OF_DEFAULT)


def warnings(agent: Agent, installed: Iterable[str]) -> list[str]:
    """Models the agent names that no node has, kinds that are never found, extensions that are not installed: worth
    knowing, not errors."""
    known, preferences = set(installed), agent.routing_preferences
    models = dict.fromkeys([*agent.models, agent.default_model, *preferences.values(), *agent.fallbacks])
    kinds = {*Kind, *extensions.task_types()}
    return [
        *(f"No node has {name}." for name in models if name and full_name(name) not in known),
        *(f"No task is ever found to be of the kind “{key}”." for key in preferences if named(key) not in kinds),
        *(f"The {what} {name} is not installed here." for what, name in _missing_extensions(agent)),
    ]


def _missing_extensions(agent: Agent) -> list[tuple[str, str]]:
    wanted = ((extensions.Kind.ROUTER, agent.router), (extensions.Kind.AGENT, agent.extension))
    return [(kind.words, name) for kind, name in wanted if name and name not in extensions.installed(kind)]


def _locked(agent_id: int) -> Agent:
    agent = Agent.objects.select_for_update().filter(pk=agent_id).first()
    if agent is None:
        raise NotFound(f"There is no agent {agent_id}.")
    return agent


def _save(agent: Agent, fields: dict[str, Any]) -> None:
    had = agent.router, agent.extension
    if fields.get("preset", agent.preset) != agent.preset:
        Levels().wanted(fields["preset"])
    apply(agent, fields, FIELDS)
    agent.name = agent.name.strip()
    _check(agent)
    _check_answers(agent)
    _check_extensions(agent, *had)
    agent.options = check_options(agent.options)
    check_retry_fields(agent)
    save(agent, exclude=["owner"])


def _check(agent: Agent) -> None:
    if not agent.name:
        raise InvalidInput("Give the agent a name.", field="name")
    if agent.name.isdigit():
        raise InvalidInput("A name of digits alone could be mistaken for an id.", field="name")
    for field, words in _LISTS.items():
        value = getattr(agent, field)
        if not isinstance(value, list) or not all(isinstance(name, str) and name.strip() for name in value):
            raise InvalidInput(f"{field} is a list of {words}.", field=field)
    agent.fallbacks = list(dict.fromkeys(name.strip() for name in agent.fallbacks))
    agent.prefer_labels = list(dict.fromkeys(name.strip() for name in agent.prefer_labels))
    if len(agent.fallbacks) > MOST_FALLBACKS:
        raise InvalidInput(f"An agent has at most {MOST_FALLBACKS} fallbacks.", field="fallbacks")
    preferences = agent.routing_preferences
    if not isinstance(preferences, dict) or not all(isinstance(value, str) for value in preferences.values()):
        raise InvalidInput("routing_preferences maps a kind of task to a model name.", field="routing_preferences")
    if not isinstance(agent.options, dict):
        raise InvalidInput("options maps option names to values.", field="options")


_LISTS = {"models": "model names", "fallbacks": "model names", "prefer_labels": "labels of models"}


def _check_answers(agent: Agent) -> None:
    """How it is to answer: the system prompt, how much it thinks, the form of its answers."""
    if agent.system_prompt is not None and len(agent.system_prompt) > settings.DROVER_MAX_PROMPT_CHARS:
        most = settings.DROVER_MAX_PROMPT_CHARS
        raise InvalidInput(f"A system prompt has at most {most:,} characters.", field="system_prompt")
    if not (agent.think is None or isinstance(agent.think, bool) or agent.think in THINK_LEVELS):
        levels = ", ".join(THINK_LEVELS)
        raise InvalidInput(f"think is true, false or one of {levels}; null is as its kind does.", field="think")
    if agent.answer_schema in (None, {}, PLAIN):
        agent.answer_schema = None
        return
    try:
        check_schema(agent.answer_schema)
    except InvalidInput as error:
        raise InvalidInput(error.message, field="answer_schema") from error


def _check_extensions(agent: Agent, router: str, extension: str) -> None:
    """One that is chosen must be there. One that has gone since stops nobody from changing something else."""
    wanted = (
        ("router", extensions.Kind.ROUTER, agent.router, router),
        ("extension", extensions.Kind.AGENT, agent.extension, extension),
    )
    for field, kind, name, before in wanted:
        there = extensions.installed(kind)
        if name and name != before and name not in there:
            hint = f"There are {', '.join(there)}." if there else "None is."
            raise InvalidInput(f"No {kind.words} {name[:80]} is installed here. {hint}", field=field, choices=there)
