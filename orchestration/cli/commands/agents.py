"""Agents: made, listed, shown, changed, deleted."""

from typing import Annotated, Any

import typer

from orchestration.cli import parsing
from orchestration.cli.arguments import LIMIT_DEFAULT, Agent, Limit, Options
from orchestration.cli.client import part
from orchestration.cli.failures import Misused
from orchestration.cli.session import Session, command
from orchestration.cli.text import ago, line, listed, plain

app = typer.Typer()

Name = Annotated[str, typer.Argument(metavar="NAME", help="What it is to be called.", show_default=False)]
Models = Annotated[list[str] | None, typer.Option("--models", help="Models it may use, with commas between them.")]
Description = Annotated[str | None, typer.Option("--description", help="What it is for.")]
Kind = Annotated[str | None, typer.Option("--kind", help="chat, coding, reasoning, research or custom.")]
Prompt = Annotated[str | None, typer.Option("--system-prompt", help="The text, or @FILE to read it from one.")]
DefaultModel = Annotated[str | None, typer.Option("--default-model", help="What it uses where nothing else is said.")]
MaxTasks = Annotated[int | None, typer.Option("--max-tasks", min=1, help="Tasks at once.")]
Timeout = Annotated[float | None, typer.Option("--timeout", min=0.001, help="Seconds for one task.")]
Routes = Annotated[
    list[str] | None,
    typer.Option("--route", help="Kind of task=model, such as code=codellama. Repeatable."),
]
Fallbacks = Annotated[
    list[str] | None, typer.Option("--fallbacks", help="Models for when the others fail, with commas between them.")
]


def _fields(
    models: list[str] | None,
    description: str | None,
    kind: str | None,
    system_prompt: str | None,
    option: list[str] | None,
    fallbacks: list[str] | None,
    **config: Any,
) -> dict[str, Any]:
    """What was given, in the API's shape."""
    routes = parsing.pairs(config.pop("route") or [], "--route")
    return parsing.given(
        models=parsing.names(models or []),
        description=description,
        kind=kind,
        system_prompt=parsing.text_or_file(system_prompt),
        options=parsing.options(option or []),
        fallbacks=parsing.names(fallbacks or []),
        config=parsing.given(**config, routing_preferences=routes),
    )


@command(app, "create-agent")
def create_agent(
    session: Session,
    name: Name,
    models: Models = None,
    description: Description = None,
    kind: Kind = None,
    system_prompt: Prompt = None,
    default_model: DefaultModel = None,
    max_tasks: MaxTasks = None,
    timeout: Timeout = None,
    route: Routes = None,
    option: Options = None,
    fallbacks: Fallbacks = None,
) -> None:
    """Make an agent."""
    config = {"default_model": default_model, "max_concurrent_tasks": max_tasks, "timeout_seconds": timeout}
    fields = _fields(models, description, kind, system_prompt, option, fallbacks, route=route, **config)
    agent = session.client.post("agents", {"name": name, **fields})
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
    name: Annotated[str | None, typer.Option("--name", help="Its new name.")] = None,
    models: Models = None,
    description: Description = None,
    kind: Kind = None,
    system_prompt: Prompt = None,
    default_model: DefaultModel = None,
    max_tasks: MaxTasks = None,
    timeout: Timeout = None,
    route: Routes = None,
    option: Options = None,
    fallbacks: Fallbacks = None,
) -> None:
    """Change an agent. What is not named stays; a list that is named is replaced whole."""
    config = {"default_model": default_model, "max_concurrent_tasks": max_tasks, "timeout_seconds": timeout}
    fields = _fields(models, description, kind, system_prompt, option, fallbacks, route=route, **config)
    if name:
        fields["name"] = name
    if not fields:
        raise Misused("There is nothing to change.", "See: drover update-agent --help")
    changed = session.client.put(f"agents/{part(agent)}", fields)
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


def _in_words(agent: dict[str, Any]) -> dict[str, Any]:
    config = agent["config"]
    return {
        "id": agent["id"],
        "name": line(agent["name"]),
        "kind": agent["kind"],
        "description": plain(agent["description"]),
        "models": listed(agent["models"]) or "any",
        "default model": config["default_model"],
        "fallbacks": listed(agent.get("fallbacks") or []),
        "routes": listed(f"{kind}={model}" for kind, model in config["routing_preferences"].items()),
        "tasks at once": config["max_concurrent_tasks"],
        "timeout": config["timeout_seconds"] and f"{config['timeout_seconds']:g} s",
        "options": listed(f"{name}={value}" for name, value in agent["options"].items()),
        "owner": agent["owner"],
        "changed": ago(agent["updated_at"]),
        "system prompt": plain(agent["applies"]["system_prompt"]),
    }


def _warn(session: Session, agent: dict[str, Any]) -> None:
    for words in agent.get("warnings") or []:
        session.out.warn(words)
