"""How tasks are done: presets, the fleet's defaults, what holds for whom, and what memory a context takes."""

import json
from typing import Annotated, Any

import typer

from orchestration.cli import parsing
from orchestration.cli.arguments import LIMIT_DEFAULT, Limit, Options, Preset
from orchestration.cli.client import part
from orchestration.cli.failures import Misused
from orchestration.cli.session import Session, command, listing
from orchestration.cli.text import number, size

app = typer.Typer()
presets = typer.Typer(name="presets", help="Named options that the fleet, models, agents and tasks ask for.")
defaults = typer.Typer(name="defaults", help="What holds for the fleet where nobody says otherwise.")
app.add_typer(presets)
app.add_typer(defaults)

Name = Annotated[str, typer.Argument(metavar="PRESET", help="A preset's id or name.", show_default=False)]
Thinks = Annotated[str | None, typer.Option("--think", help="on, off, low, medium, high or max; none says nothing.")]
About = Annotated[str | None, typer.Option("--description", help="What it is for.")]
_THINK: dict[str, Any] = {"on": True, "true": True, "off": False, "false": False, "none": None}


def think_of(word: str | None) -> dict[str, Any]:
    """As a field; none where the flag was not given."""
    return {} if word is None else {"think": _THINK.get(word, word)}


@listing(presets)
def list_presets(session: Session, limit: Limit = LIMIT_DEFAULT) -> None:
    """Presets with their values, the built-in ones first."""
    answer = session.client.rows("presets", "presets", limit=limit)
    if session.out.as_json:
        session.out.json(answer)
        return
    rows = [(row["id"], row["name"], _values(row), row["description"]) for row in answer["presets"]]
    session.out.table(("id", "name", "values", "about"), rows, empty="There are no presets.")


def _values(row: dict[str, Any]) -> str:
    said = {**row["options"], **({} if row["think"] is None else {"think": row["think"]})}
    return ", ".join(f"{name}={_shown(value)}" for name, value in said.items())


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@command(presets, "show")
def show_preset(session: Session, preset: Name) -> None:
    """One preset, and what uses it."""
    row = session.client.get(f"presets/{part(preset)}")
    if session.out.as_json:
        session.out.json(row)
        return
    users = ", ".join(user["words"] for user in row["used_by"])
    session.out.details(
        {"name": row["name"], "about": row["description"], "values": _values(row), "used by": users or "nothing"}
    )


@command(presets, "add")
def add_preset(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is to be called.", show_default=False)],
    option: Options = None,
    think: Thinks = None,
    description: About = None,
) -> None:
    """Add a preset."""
    fields = {**parsing.given(options=parsing.options(option or []), description=description), **think_of(think)}
    row = session.client.post("presets", {"name": name, **fields})
    session.out.json(row) if session.out.as_json else session.out.say(f"Preset {name} has the id {row['id']}.", "green")


@command(presets, "set")
def set_preset(
    session: Session,
    preset: Name,
    option: Options = None,
    think: Thinks = None,
    description: About = None,
    name: Annotated[str | None, typer.Option("--name", help="Another name.")] = None,
) -> None:
    """Change a preset; options that are given take the place of all it had."""
    fields = parsing.given(options=parsing.options(option or []), description=description, name=name)
    fields |= think_of(think)
    if not fields:
        raise Misused("There is nothing to change.", "See: drover presets set --help")
    row = session.client.put(f"presets/{part(preset)}", fields)
    session.out.json(row) if session.out.as_json else session.out.say(f"Changed the preset {row['name']}.")


@command(presets, "restore")
def restore_preset(session: Session, preset: Name) -> None:
    """Make a built-in preset as it came with Drover."""
    row = session.client.post(f"presets/{part(preset)}/restore")
    session.out.json(row) if session.out.as_json else session.out.say(f"{row['name']} is as it came.")


@command(presets, "delete")
def delete_preset(session: Session, preset: Name) -> None:
    """Delete a preset that nothing uses."""
    session.client.delete(f"presets/{part(preset)}")
    if not session.out.as_json:
        session.out.say(f"Deleted the preset {preset}.")


@command(defaults, "show")
def show_defaults(session: Session) -> None:
    """What holds for the fleet."""
    _tell(session, session.client.get("defaults"))


@command(defaults, "set")
def set_defaults(
    session: Session,
    model: Annotated[str | None, typer.Option("--model", help="For agents that name none.")] = None,
    preset: Preset = None,
    option: Options = None,
    think: Thinks = None,
    timeout: Annotated[float | None, typer.Option("--timeout", help="Seconds for one request.")] = None,
    keep_alive: Annotated[float | None, typer.Option("--keep-alive", help="Seconds that models stay loaded.")] = None,
) -> None:
    """Change the fleet's defaults; options that are given take the place of all it had."""
    fields = {
        **parsing.given(
            default_model=model,
            preset=preset,
            options=parsing.options(option or []),
            timeout_seconds=timeout,
            keep_alive_seconds=keep_alive,
        ),
        **think_of(think),
    }
    if not fields:
        raise Misused("There is nothing to change.", "See: drover defaults set --help")
    _tell(session, session.client.put("defaults", fields))


def _tell(session: Session, row: dict[str, Any]) -> None:
    if session.out.as_json:
        session.out.json(row)
        return
    shown = {"default model": row["default_model"], "preset": row["preset"], "options": _values(row)}
    times = {"timeout": row["timeout_seconds"], "kept loaded": row["keep_alive_seconds"]}
    said = {**shown, **{name: value and f"{value:g} s" for name, value in times.items()}}
    session.out.details(said if any(said.values()) else {"defaults": "nothing is decided"})


@command(app, "effective")
def show_effective(
    session: Session,
    agent: Annotated[str | None, typer.Option("--agent", help="An agent's id or name.")] = None,
    model: Annotated[str | None, typer.Option("--model", help="A model's name.")] = None,
    preset: Preset = None,
    option: Options = None,
) -> None:
    """What would hold for a task, and who decided it."""
    options = parsing.options(option or [])
    asked = {"agent": agent, "model": model, "preset": preset, "parameters": json.dumps(options) if options else None}
    given = {name: value for name, value in asked.items() if value}
    answer = session.client.request("GET", "effective", params=given)
    if session.out.as_json:
        session.out.json(answer)
        return
    rows = [(row["name"], _shown(row["value"]), row["origin"]) for row in answer["values"]]
    session.out.table(("setting", "value", "decided by"), rows)


@command(app, "forecast")
def show_forecast(
    session: Session,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model's name.", show_default=False)],
    num_ctx: Annotated[int | None, typer.Option("--num-ctx", min=1, help="Tokens of context.")] = None,
) -> None:
    """About how much memory a model takes with a context, and on which nodes that fits."""
    path = f"models/{part(model)}/forecast"
    answer = session.client.request("GET", path, params={"num_ctx": num_ctx} if num_ctx else {})
    if session.out.as_json:
        session.out.json(answer)
        return
    columns = ("node", "context", "slots", "about", "fits", "from")
    context = number(answer["num_ctx"])
    rows = [
        (row["node"], context, row["slots"], size(row["total_bytes"]), row["words"], row["basis"])
        for row in answer["nodes"]
    ]
    session.out.table(columns, rows, empty="There is no node.")
