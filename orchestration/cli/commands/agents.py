"""Agents: made, listed, shown, changed, deleted."""

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from orchestration.cli import parsing
from orchestration.cli.arguments import LIMIT_DEFAULT, Agent, Limit, Options, Preset
from orchestration.cli.client import part
from orchestration.cli.failures import Misused
from orchestration.cli.session import Session, command
from orchestration.cli.text import ago, line, listed, plain

app = typer.Typer()

Json = dict[str, Any]

Name = Annotated[str, typer.Argument(metavar="NAME", help="What it is to be called.", show_default=False)]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What create-agent and update-agent take; None was not given."""

    models: Annotated[list[str] | None, typer.Option(help="Models it may use, with commas between them.")] = None
    description: Annotated[str | None, typer.Option(help="What it is for.")] = None
    kind: Annotated[str | None, typer.Option(help="chat, coding, reasoning, research or custom.")] = None
    system_prompt: Annotated[str | None, typer.Option(help="The text, or @FILE to read it from one.")] = None
    default_model: Annotated[str | None, typer.Option(help="What it uses where nothing else is said.")] = None
    max_tasks: Annotated[int | None, typer.Option(min=1, help="Tasks at once.")] = None
    timeout: Annotated[float | None, typer.Option(min=0.001, help="Seconds for one task.")] = None
    route: Annotated[list[str] | None, typer.Option(help="Kind of task=model: code=codellama. Repeatable.")] = None
    preset: Preset = None
    option: Options = None
    fallbacks: Annotated[list[str] | None, typer.Option(help="Models for when the others fail.")] = None
    prefer_labels: Annotated[list[str] | None, typer.Option(help="Labels of models and nodes it likes.")] = None
    think: Annotated[str | None, typer.Option(help="true, false, low, medium or high.")] = None
    answer_schema: Annotated[str | None, typer.Option(help="A JSON schema for its answers, or @FILE.")] = None
    memory: Annotated[bool | None, typer.Option("--memory/--no-memory", help="Remember facts.")] = None
    router: Annotated[str | None, typer.Option(help="Chooses its models: a router that is installed.")] = None
    extension: Annotated[str | None, typer.Option(help="Works before and after its calls: one installed.")] = None

    def fields(self) -> Json:
        """What was given, in the API's shape."""
        schema = parsing.text_or_file(self.answer_schema)
        return parsing.given(
            models=parsing.names(self.models or []),
            description=self.description,
            kind=self.kind,
            system_prompt=parsing.text_or_file(self.system_prompt),
            preset=self.preset,
            options=parsing.options(self.option or []),
            fallbacks=parsing.names(self.fallbacks or []),
            prefer_labels=parsing.names(self.prefer_labels or []),
            think=parsing.value(self.think) if self.think else None,
            answer_schema=parsing.value(schema) if schema else None,
            memory_enabled=self.memory,
            router=self.router,
            extension=self.extension,
            config=self._config(),
        )

    def _config(self) -> Json:
        return parsing.given(
            default_model=self.default_model,
            max_concurrent_tasks=self.max_tasks,
            timeout_seconds=self.timeout,
            routing_preferences=parsing.pairs(self.route or [], "--route"),
        )


@command(app, "create-agent")
def create_agent(session: Session, name: Name, wishes: Wishes) -> None:
    """Make an agent."""
    agent = session.client.post("agents", {"name": name, **wishes.fields()})
    if session.out.as_json:
        session.out.json(agent)
        return
    session.out.say(f"Agent {agent['name']} has the id {agent['id']}.", "green")
    _warn(session, agent)


@command(app, "list-agents")
def list_agents(session: Session, limit: Limit = LIMIT_DEFAULT) -> None:
    """All agents."""
    answer = session.client.rows("agents", "agents", limit=limit)
    if session.out.as_json:
        session.out.json(answer)
        return
    rows = [
        (agent["id"], agent["name"], agent["kind"], listed(agent["models"]) or "any", line(agent["description"], 60))
        for agent in answer["agents"]
    ]
    session.out.table(("id", "name", "kind", "models", "description"), rows, empty="There are no agents.")


@command(app, "show-agent")
def show_agent(session: Session, agent: Agent) -> None:
    """One agent with all its settings."""
    found = session.client.get(f"agents/{part(agent)}")
    if session.out.as_json:
        session.out.json(found)
        return
    session.out.details(_in_words(found))
    _warn(session, found)


@command(app, "update-agent")
def update_agent(
    session: Session,
    agent: Agent,
    wishes: Wishes,
    name: Annotated[str | None, typer.Option("--name", help="Its new name.")] = None,
) -> None:
    """Change an agent. What is not named stays; a list that is named is replaced whole."""
    changes = wishes.fields() | parsing.given(name=name)
    if not changes:
        raise Misused("There is nothing to change.", "See: drover update-agent --help")
    changed = session.client.put(f"agents/{part(agent)}", changes)
    if session.out.as_json:
        session.out.json(changed)
        return
    session.out.say(f"Agent {changed['name']} is changed.", "green")
    _warn(session, changed)


@command(app, "delete-agent")
def delete_agent(
    session: Session,
    agent: Agent,
    cancel_tasks: Annotated[bool, typer.Option("--cancel-tasks", help="Cancel its unfinished tasks with it.")] = False,
) -> None:
    """Delete an agent. Its history stays."""
    session.client.delete(f"agents/{part(agent)}", cancel_tasks=cancel_tasks)
    if not session.out.as_json:
        session.out.say(f"Agent {agent} is deleted.", "green")


def _in_words(agent: Json) -> Json:
    config = agent["config"]
    return {
        "id": agent["id"],
        "name": line(agent["name"]),
        "kind": agent["kind"],
        "description": plain(agent["description"]),
        "models": listed(agent["models"]) or "any",
        "default model": config["default_model"],
        "fallbacks": listed(agent["fallbacks"]),
        "routes": listed(f"{kind}={model}" for kind, model in config["routing_preferences"].items()),
        "tasks at once": config["max_concurrent_tasks"],
        "timeout": config["timeout_seconds"] and f"{config['timeout_seconds']:g} s",
        "think": agent["applies"]["think"],
        "liked labels": listed(agent["prefer_labels"]),
        "memory": "on" if agent["memory_enabled"] else None,
        "router": agent["router"],
        "extension": agent["extension"],
        "options": listed(f"{name}={value}" for name, value in agent["options"].items()),
        "owner": agent["owner"],
        "changed": ago(agent["updated_at"]),
        "system prompt": plain(agent["applies"]["system_prompt"]),
    }


def _warn(session: Session, agent: Json) -> None:
    for words in agent.get("warnings") or []:
        session.out.warn(words)
