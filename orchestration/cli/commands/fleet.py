"""What the team decided about models."""

from typing import Annotated, Any

import typer

from orchestration.cli import parsing
from orchestration.cli.arguments import LIMIT_DEFAULT, Limit, Options, Preset, Tags
from orchestration.cli.commands.manners import About, Thinks, think_of
from orchestration.cli.failures import Misused, WorkFailed
from orchestration.cli.session import Session, command, listing
from orchestration.cli.text import line, listed, seconds

app = typer.Typer()
configs = typer.Typer(name="model-configs", help="What the team decided about models.")
app.add_typer(configs)

Enabled = Annotated[bool | None, typer.Option("--enabled/--disabled", help="Whether it is used.")]


@listing(configs)
def list_configs(session: Session, limit: Limit = LIMIT_DEFAULT) -> None:
    """What the team decided about models."""
    answer = session.client.rows("model-configs", "model_configs", limit=limit)
    if session.out.as_json:
        session.out.json(answer)
        return
    columns = ("id", "model", "used", "priority", "at once", "timeout", "kept loaded", "options", "fallbacks")
    session.out.table(columns, map(_config_row, answer["model_configs"]), empty="There are none: defaults hold.")


def _config_row(config: dict[str, Any]) -> tuple[Any, ...]:
    options = listed(f"{name}={value}" for name, value in config["options"].items())
    first = (config["id"], config["model_name"], "yes" if config["enabled"] else "no", config["priority"])
    times = (seconds(config["timeout_seconds"]), seconds(config["keep_alive_seconds"]))
    return (*first, config["max_concurrent_requests"], *times, options, listed(config["fallbacks"]))


@command(configs, "set")
def set_config(
    session: Session,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model's name.", show_default=False)],
    enabled: Enabled = None,
    priority: Annotated[int | None, typer.Option("--priority", help="Higher is preferred.")] = None,
    max_requests: Annotated[int | None, typer.Option("--max-requests", min=1, help="Requests at once.")] = None,
    timeout: Annotated[float | None, typer.Option("--timeout", help="Seconds for one request.")] = None,
    keep_alive: Annotated[float | None, typer.Option("--keep-alive", help="Seconds it stays loaded.")] = None,
    fallbacks: Annotated[str | None, typer.Option("--fallbacks", help="Models, with commas between them.")] = None,
    preset: Preset = None,
    option: Options = None,
    think: Thinks = None,
    label: Tags = None,
    node: Annotated[list[str] | None, typer.Option("--node", help="Kept to nodes with this name or label.")] = None,
    anywhere: Annotated[bool, typer.Option("--any-node", help="Kept to no nodes any more.")] = False,
    description: About = None,
) -> None:
    """Decide about a model; what is not named stays as it is."""
    fields = parsing.given(
        enabled=enabled,
        priority=priority,
        max_concurrent_requests=max_requests,
        timeout_seconds=timeout,
        keep_alive_seconds=keep_alive,
        fallbacks=parsing.names([fallbacks or ""]),
        preset=preset,
        options=parsing.options(option or []),
        labels=parsing.names(label or []),
        allowed_nodes=parsing.names(node or []),
        description=description,
    )
    fields |= {**think_of(think), **({"allowed_nodes": []} if anywhere else {})}
    if not fields:
        raise Misused("There is nothing to decide.", "See: drover model-configs set --help")
    found = _config_of(session, model)
    if found is None:
        answer = session.client.post("model-configs", {"model_name": model, **fields})
    else:
        answer = session.client.put(f"model-configs/{found['id']}", fields)
    session.out.json(answer) if session.out.as_json else session.out.say(f"Decided about {answer['model_name']}.")


@command(configs, "delete")
def delete_config(
    session: Session,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model's name.", show_default=False)],
) -> None:
    """Forget what was decided about a model: defaults hold again."""
    found = _config_of(session, model)
    if found is None:
        raise WorkFailed(f"Nothing was decided about {line(model)}.")
    session.client.delete(f"model-configs/{found['id']}")
    if not session.out.as_json:
        session.out.say(f"Defaults hold for {found['model_name']} again.")


def _config_of(session: Session, model: str) -> dict[str, Any] | None:
    """By its name, with or without the tag ``latest``."""
    rows = session.client.rows("model-configs", "model_configs", limit=10_000)["model_configs"]
    return next((row for row in rows if row["model_name"] in (model, f"{model}:latest")), None)
