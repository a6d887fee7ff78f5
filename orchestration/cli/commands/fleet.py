"""Nodes, and what the team decided about models."""

from typing import Annotated, Any

import typer

from orchestration.cli import parsing
from orchestration.cli.arguments import LIMIT_DEFAULT, Limit, Options, Tags
from orchestration.cli.client import part
from orchestration.cli.failures import Misused, WorkFailed
from orchestration.cli.session import Session, command, listing
from orchestration.cli.text import line, listed, seconds

app = typer.Typer()
nodes = typer.Typer(name="nodes", help="The Ollama servers.")
configs = typer.Typer(name="model-configs", help="What the team decided about models.")
app.add_typer(nodes)
app.add_typer(configs)

Node = Annotated[str, typer.Argument(metavar="NODE", help="A node's id or name.", show_default=False)]
Labels = Annotated[list[str] | None, typer.Option("--label", help="Repeatable; commas too.")]
Slots = Annotated[int | None, typer.Option("--slots", min=1, help="Requests at once for each loaded model.")]
Enabled = Annotated[bool | None, typer.Option("--enabled/--disabled", help="Whether it is used.")]


@listing(nodes)
def list_nodes(session: Session, limit: Limit = LIMIT_DEFAULT) -> None:
    """The Ollama servers: state, models in memory and on the disk."""
    answer = session.client.rows("nodes", "nodes", limit=limit)
    if session.out.as_json:
        session.out.json(answer)
        return
    columns = ("id", "name", "status", "address", "loaded", "models", "version", "answers in")
    session.out.table(columns, map(_node_row, answer["nodes"]), empty="There are no nodes.")


def _node_row(node: dict[str, Any]) -> tuple[Any, ...]:
    models = [model for model in node.get("models") or [] if model["installed"]]
    loaded = listed(model["name"] for model in node.get("models") or [] if model["loaded"])
    latency = node["latency_seconds"]
    took = "" if latency is None else f"{latency * 1000:.0f} ms"
    first = (node["id"], node["name"], node["status"], node["base_url"])
    return (*first, loaded, len(models), node["ollama_version"], took)


@command(nodes, "add")
def add_node(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is to be called.", show_default=False)],
    base_url: Annotated[str, typer.Argument(metavar="ADDRESS", help="http://gpu-a:11434", show_default=False)],
    slots: Slots = None,
    label: Labels = None,
) -> None:
    """Add a server."""
    fields = parsing.given(slots_per_model=slots, labels=parsing.names(label or []))
    node = session.client.post("nodes", {"name": name, "base_url": base_url, **fields})
    session.out.json(node) if session.out.as_json else session.out.say(f"Node {name} has the id {node['id']}.", "green")


@command(nodes, "remove")
def remove_node(session: Session, node: Node) -> None:
    """Remove a server; what runs on it moves on to others."""
    session.client.delete(f"nodes/{part(node)}")
    if not session.out.as_json:
        session.out.say(f"Node {node} is removed.", "green")


@command(nodes, "drain")
def drain_node(session: Session, node: Node) -> None:
    """Give it nothing new; what runs on it goes on."""
    _act_on(session, node, "drain")


@command(nodes, "resume")
def resume_node(session: Session, node: Node) -> None:
    """Let it work again."""
    _act_on(session, node, "resume")


def _act_on(session: Session, node: str, action: str) -> None:
    answer = session.client.post(f"nodes/{part(node)}/{action}")
    session.out.json(answer) if session.out.as_json else session.out.say(f"Node {node} is {answer['status']}.")


@command(nodes, "test")
def check_node(
    session: Session,
    node: Node,
    model: Annotated[str | None, typer.Option("--model", help="Let this model answer.")] = None,
) -> None:
    """Test the connection: name, version, models, an answer."""
    report = session.client.request("POST", f"nodes/{part(node)}/test", params={"model": model}, timeout=300)
    if session.out.as_json:
        session.out.json(report)
    else:
        words = {True: "ok", False: "failed", None: "not tried"}
        rows = [(check["name"], words[check["ok"]], check["message"], check["fix"]) for check in report["checks"]]
        session.out.table(("check", "result", "message", "what mends it"), rows)
    if not report["ok"]:
        raise WorkFailed(f"Node {node} does not answer as it should.")


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
    option: Options = None,
    label: Tags = None,
) -> None:
    """Decide about a model; what is not named stays as it is."""
    fields = parsing.given(
        enabled=enabled,
        priority=priority,
        max_concurrent_requests=max_requests,
        timeout_seconds=timeout,
        keep_alive_seconds=keep_alive,
        fallbacks=parsing.names([fallbacks or ""]),
        options=parsing.options(option or []),
        labels=parsing.names(label or []),
    )
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
