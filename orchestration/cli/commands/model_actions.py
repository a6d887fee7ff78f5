"""What nodes are told to do with models: pull, load, unload, delete, copy, pin; followed like any other work."""

from typing import Annotated, Any
from uuid import uuid4

import typer

from orchestration.cli import parsing
from orchestration.cli.arguments import Detach
from orchestration.cli.client import part
from orchestration.cli.outcomes import accompany
from orchestration.cli.session import Session, command
from orchestration.cli.text import line, listed, size

app = typer.Typer()

Models = Annotated[list[str], typer.Argument(metavar="MODEL...", help="Names such as qwen3:8b.", show_default=False)]
Name = Annotated[str, typer.Argument(metavar="MODEL", help="A name such as qwen3:8b.", show_default=False)]
Nodes = Annotated[
    list[str] | None,
    typer.Option("--node", help="On this node, by id or name; repeatable, commas too. Else on all that suit."),
]
Context = Annotated[int | None, typer.Option("--num-ctx", min=1, help="With a context of so many tokens.")]
Force = Annotated[bool, typer.Option("--force", help="Although something speaks against it.")]


@command(app, "pull")
def pull(session: Session, models: Models, node: Nodes = None, force: Force = False, detach: Detach = False) -> None:
    """Pull models to nodes and follow them to the end. One that drops goes on where it was."""
    body = parsing.given(models=models, force=force or None)
    _order(session, "models/pull", body, node, detach=detach)


@command(app, "load")
def load(session: Session, model: Name, node: Nodes = None, num_ctx: Context = None, detach: Detach = False) -> None:
    """Load a model into the memory of nodes."""
    _order(session, f"models/{part(model)}/load", parsing.given(num_ctx=num_ctx), node, detach=detach)


@command(app, "unload")
def unload(session: Session, model: Name, node: Nodes = None, detach: Detach = False) -> None:
    """Take a model out of the memory of nodes."""
    _order(session, f"models/{part(model)}/unload", {}, node, detach=detach)


@command(app, "rm")
def remove(session: Session, model: Name, node: Nodes = None, force: Force = False, detach: Detach = False) -> None:
    """Delete a model from the disks of nodes; refused while something uses it, unless forced."""
    params = parsing.given(nodes=",".join(_named(node)) or None, force=True if force else None)
    run = session.client.request("DELETE", f"models/{part(model)}", params=params)
    _follow(session, run, detach=detach)


@command(app, "cp")
def copy(
    session: Session,
    model: Name,
    destination: Annotated[str, typer.Argument(metavar="NAME", help="What the copy is called.", show_default=False)],
    node: Nodes = None,
    detach: Detach = False,
) -> None:
    """Give a model a second name."""
    _order(session, f"models/{part(model)}/copy", {"destination": destination}, node, detach=detach)


@command(app, "pin")
def pin(session: Session, model: Name, node: Nodes = None, num_ctx: Context = None) -> None:
    """Keep a model in the memory of nodes: loaded when there is room, never displaced by Drover."""
    _pin(session, model, "pin", parsing.given(num_ctx=num_ctx), node)


@command(app, "unpin")
def unpin(session: Session, model: Name, node: Nodes = None) -> None:
    """Let a pinned model go again."""
    _pin(session, model, "unpin", {}, node)


@command(app, "pulls")
def pulls(session: Session) -> None:
    """Pulls under way, and those that ended lately."""
    answer = session.client.get("pulls")
    if session.out.as_json:
        session.out.json(answer)
        return
    columns = ("task", "model", "node", "status", "done", "size", "how far")
    session.out.table(columns, map(_row, answer["pulls"]), empty="Nothing is being pulled.")


def _row(pull: dict[str, Any]) -> tuple[Any, ...]:
    done = f"{pull['percent']:.0f} %"
    words = pull["error"] or (pull["words"] if pull["status"] == "running" else "")
    shown = (pull["task_id"], pull["model"], pull["node"], pull["status"])
    return (*shown, done, size(pull["total_bytes"]), line(words, 70))


def _named(nodes: list[str] | None) -> list[str]:
    return parsing.names(nodes or []) or []


def _order(session: Session, path: str, body: dict[str, Any], node: list[str] | None, *, detach: bool) -> None:
    body = body | parsing.given(nodes=_named(node) or None)
    run = session.client.request("POST", path, body=body, headers={"Idempotency-Key": str(uuid4())})
    _follow(session, run, detach=detach)


def _follow(session: Session, run: dict[str, Any], *, detach: bool) -> None:
    if run["under_way"]:
        session.out.note(f"Under way already: task {listed(run['under_way'])}.")
    accompany(session, run, detach=detach)


def _pin(session: Session, model: str, action: str, body: dict[str, Any], node: list[str] | None) -> None:
    body = body | parsing.given(nodes=_named(node) or None)
    answer = session.client.post(f"models/{part(model)}/{action}", body)
    if session.out.as_json:
        session.out.json(answer)
        return
    where = listed(pin["node"] for pin in answer["pins"])
    word = "stays in the memory of" if action == "pin" else "is not pinned any more on"
    session.out.say(f"{line(model)} {word} {where}.", "green")
