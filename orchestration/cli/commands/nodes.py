"""The Ollama servers: listed, added, changed, given a rest, examined, searched for. Secrets are asked for, or read from
standard input: on a command line everybody on the machine could see them."""

import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from orchestration.cli import parsing
from orchestration.cli.arguments import LIMIT_DEFAULT, Limit
from orchestration.cli.client import part
from orchestration.cli.failures import Misused, WorkFailed
from orchestration.cli.session import Session, command, listing
from orchestration.cli.text import ago, line, listed, size

app = typer.Typer()
nodes = typer.Typer(name="nodes", help="The Ollama servers.")
app.add_typer(nodes)

GIBIBYTE = 1024**3
_SPANS = {"m": "minutes", "h": "hours", "d": "days"}

Node = Annotated[str, typer.Argument(metavar="NODE", help="A node's id or name.", show_default=False)]
Labels = Annotated[list[str] | None, typer.Option("--label", help="Repeatable; commas too.")]
Slots = Annotated[int | None, typer.Option("--slots", min=1, help="Requests at once for each loaded model.")]
Vram = Annotated[float | None, typer.Option("--vram", min=0, help="Video memory in GB.")]
Disk = Annotated[float | None, typer.Option("--disk", min=0, help="Room for models on its disk in GB.")]
Tls = Annotated[bool | None, typer.Option("--verify-tls/--no-verify-tls", help="Whether its certificate is checked.")]
Token = Annotated[bool, typer.Option("--token", help="It wants a token, which is asked for or read from the input.")]
User = Annotated[str | None, typer.Option("--user", help="It wants this user; the password is asked for or read.")]
Header = Annotated[
    list[str] | None, typer.Option("--header", help="A header's name; its value is asked for or read. Repeatable.")
]


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
    first = (node["id"], node["name"], node["status"], node["base_url"])
    return (*first, loaded, len(models), node["ollama_version"], _latency(node))


def _latency(node: dict[str, Any]) -> str:
    latency = node["latency_seconds"]
    return "" if latency is None else f"{latency * 1000:.0f} ms"


@command(nodes, "show")
def show_node(session: Session, node: Node) -> None:
    """One server in all detail: what runs, what failed, what could be better."""
    report = session.client.get(f"nodes/{part(node)}/report")
    if session.out.as_json:
        session.out.json(report)
        return
    session.out.table(("what", "value"), _facts(report))
    for hint in report["hints"]:
        session.out.warn(hint["words"]) if hint["weight"] == "warn" else session.out.say(hint["words"])
        if hint["fix"]:
            session.out.say(f"  {hint['fix']}")
    running = [(row["task_id"], row["model"], row["owner"], ago(row["since"])) for row in report["running"]]
    session.out.table(("task", "model", "by", "for"), running, empty="Nothing runs on it.")
    failed = [(row["task_id"], row["model"], line(row["error"], 100), ago(row["at"])) for row in report["failures"]]
    session.out.table(("task", "model", "failure", "age"), failed, empty="No attempt has failed here.")


def _facts(report: dict[str, Any]) -> list[tuple[str, Any]]:
    node, timeline = report["node"], report["timeline"]
    reachable = "not known" if timeline["reachable"] is None else f"{100 * timeline['reachable']:.2f} % of a day"
    memory = size(node["vram_bytes"]) if node["vram_bytes"] else f"not given; {size(node['learned_bytes'])} seen"
    loaded = [model["name"] for model in node["models"] if model["loaded"]]
    facts = [
        ("name", node["name"]),
        ("address", node["base_url"]),
        ("status", node["status"]),
        ("Ollama", node["ollama_version"]),
        ("answers in", _latency(node)),
        ("reachable", reachable),
        ("video memory", memory),
        ("in memory", listed(loaded)),
        ("headers", listed(node["header_names"])),
        ("labels", listed(node["labels"])),
    ]
    if node["draining"]:
        facts.append(
            ("rest", f"by {node['drained_by']} {node['drain_note']}, until {node['drain_until'] or 'resumed'}")
        )
    return facts


@command(nodes, "add")
def add_node(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is to be called.", show_default=False)],
    base_url: Annotated[str, typer.Argument(metavar="ADDRESS", help="http://gpu-a:11434", show_default=False)],
    slots: Slots = None,
    label: Labels = None,
    vram: Vram = None,
    disk: Disk = None,
    verify_tls: Tls = None,
    token: Token = False,
    user: User = None,
    header: Header = None,
) -> None:
    """Add a server."""
    fields = _fields(slots, label, vram, disk, verify_tls) | _secrets(token, user, header)
    node = session.client.post("nodes", {"name": name, "base_url": base_url, **fields})
    session.out.json(node) if session.out.as_json else session.out.say(f"Node {name} has the id {node['id']}.", "green")


@command(nodes, "set")
def set_node(
    session: Session,
    node: Node,
    name: Annotated[str | None, typer.Option("--name", help="Another name.")] = None,
    address: Annotated[str | None, typer.Option("--address", help="Another address; drops stored headers.")] = None,
    enabled: Annotated[bool | None, typer.Option("--enabled/--disabled", help="Whether it is used.")] = None,
    slots: Slots = None,
    label: Labels = None,
    vram: Vram = None,
    disk: Disk = None,
    verify_tls: Tls = None,
    token: Token = False,
    user: User = None,
    header: Header = None,
    no_credentials: Annotated[bool, typer.Option("--no-credentials", help="Forget token or password.")] = False,
    no_headers: Annotated[bool, typer.Option("--no-headers", help="Forget all other headers.")] = False,
) -> None:
    """Change a server; what is not named stays as it is."""
    fields = parsing.given(name=name, base_url=address, enabled=enabled)
    fields |= _fields(slots, label, vram, disk, verify_tls) | _secrets(token, user, header)
    fields |= {"credentials": None} if no_credentials else {}
    fields |= {"headers": {}} if no_headers else {}
    if not fields:
        raise Misused("There is nothing to change.", "See: drover nodes set --help")
    answer = session.client.put(f"nodes/{part(node)}", fields)
    session.out.json(answer) if session.out.as_json else session.out.say(f"Node {answer['name']} is changed.", "green")


def _fields(
    slots: int | None, label: list[str] | None, vram: float | None, disk: float | None, verify_tls: bool | None
) -> dict[str, Any]:
    amounts = {
        name: None if value is None else round(value * GIBIBYTE) or None
        for name, value in (("vram_bytes", vram), ("disk_bytes", disk))
    }
    return parsing.given(slots_per_model=slots, labels=parsing.names(label or []), verify_tls=verify_tls, **amounts)


def _secrets(token: bool, user: str | None, header: list[str] | None) -> dict[str, Any]:
    if token and user:
        raise Misused("Either a token, or a user with a password.")
    wishes: dict[str, Any] = {}
    if token:
        wishes["credentials"] = {"type": "bearer", "token": _asked("Token").strip()}
    elif user:
        wishes["credentials"] = {"type": "basic", "user": user, "password": _asked(f"Password of {user}")}
    if header:
        wishes["headers"] = {name: _asked(f"Value of {name}") for name in parsing.names(header)}
    return wishes


def _asked(what: str) -> str:
    """Typed unseen, or the next line that comes in."""
    if sys.stdin.isatty():
        return str(typer.prompt(what, hide_input=True, err=True))
    value = sys.stdin.readline().rstrip("\r\n")
    if not value:
        raise Misused(f"{what}: nothing came in.", "Give each secret as a line on the input.")
    return value


@command(nodes, "remove")
def remove_node(session: Session, node: Node) -> None:
    """Remove a server; what runs on it moves on to others."""
    session.client.delete(f"nodes/{part(node)}")
    if not session.out.as_json:
        session.out.say(f"Node {node} is removed.", "green")


@command(nodes, "drain")
def drain_node(
    session: Session,
    node: Node,
    note: Annotated[str, typer.Option("--note", help="Why, for the others.")] = "",
    span: Annotated[str | None, typer.Option("--for", help="How long, such as 30m, 2h or 1d.")] = None,
) -> None:
    """Give it nothing new; what runs on it goes on."""
    until = (datetime.now(UTC) + _span(span)).isoformat() if span else None
    _act_on(session, node, "drain", parsing.given(note=note or None, until=until))


def _span(text: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,5})([mhd])", text.strip())
    if not found:
        raise Misused(f"{text[:20]!r} is no time.", "Write it like 30m, 2h or 1d.")
    return timedelta(**{_SPANS[found[2]]: int(found[1])})


@command(nodes, "resume")
def resume_node(session: Session, node: Node) -> None:
    """Let it work again."""
    _act_on(session, node, "resume", {})


def _act_on(session: Session, node: str, action: str, body: dict[str, Any]) -> None:
    path = f"nodes/{part(node)}/{action}"
    answer = session.client.post(path, body) if body else session.client.post(path)
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
        _tell_checks(session, report)
    if not report["ok"]:
        raise WorkFailed(f"Node {node} does not answer as it should.")


def _tell_checks(session: Session, report: dict[str, Any]) -> None:
    words = {True: "ok", False: "failed", None: "not tried"}
    rows = [(check["name"], words[check["ok"]], check["message"], check["fix"]) for check in report["checks"]]
    session.out.table(("check", "result", "message", "what mends it"), rows)


@command(app, "doctor")
def examine(session: Session) -> None:
    """Test the connection of every node that is used, and tell how their versions differ."""
    rows = [node for node in session.client.rows("nodes", "nodes", limit=500)["nodes"] if node["enabled"]]
    reports = {
        node["name"]: session.client.request("POST", f"nodes/{node['id']}/test", params={}, timeout=300)
        for node in rows
    }
    versions = session.client.get("versions")
    if session.out.as_json:
        session.out.json({"nodes": reports, "versions": versions})
    else:
        for name, report in reports.items():
            session.out.say(name)
            _tell_checks(session, report)
        for lag in versions["behind"]:
            session.out.say(f"{lag['node']} runs {lag['version']}, others {versions['newest']}: {_lacks(lag)}")
    if failed := [name for name, report in reports.items() if not report["ok"]]:
        raise WorkFailed(f"{listed(failed)} {'does' if len(failed) == 1 else 'do'} not answer as they should.")


def _lacks(lag: dict[str, Any]) -> str:
    return "; ".join([*(f"lacks {words}" for words in lag["lacks"]), *lag["differs"]]) or "nothing that matters"


@command(nodes, "discover")
def discover(
    session: Session,
    subnet: Annotated[list[str], typer.Argument(metavar="SUBNET...", help="192.168.1.0/24", show_default=False)],
    port: Annotated[list[int] | None, typer.Option("--port", min=1, max=65535, help="Repeatable.")] = None,
) -> None:
    """Search private networks for servers; adds nothing."""
    body = {"subnets": subnet, **({"ports": port} if port else {})}
    answer = session.client.request("POST", "nodes/discover", body=body, timeout=120)
    if session.out.as_json:
        session.out.json(answer)
        return
    found = [(row["base_url"], row["version"], row["models"], row["node"]) for row in answer["servers"]]
    session.out.table(("address", "version", "models", "is node"), found, empty="Nobody answered as Ollama does.")
    session.out.note(f"Addresses asked: {answer['asked']:,}.")
    if not answer["complete"]:
        session.out.warn("The time was over before all were asked: search smaller subnets.")
