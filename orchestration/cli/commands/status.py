"""How Drover is doing: health, totals, errors, workers."""

from typing import Any

import typer

from orchestration.cli.arguments import LIMIT_DEFAULT, Limit
from orchestration.cli.failures import WorkFailed
from orchestration.cli.session import Session, command
from orchestration.cli.text import ago, line

app = typer.Typer()


@command(app, "status")
def status(session: Session) -> None:
    """Whether every part of Drover is alive, and what is waiting and running."""
    health = session.client.health()
    metrics = session.client.get("metrics")
    if session.out.as_json:
        session.out.json({"health": health, "metrics": metrics})
    else:
        rows = [(name, "ok" if check["ok"] else "failed", check["message"]) for name, check in health["checks"].items()]
        session.out.say(f"{session.settings.url}: {health['status']}", "green" if health["status"] == "ok" else "red")
        session.out.table(("part", "state", "message"), rows)
        session.out.details(_totals(metrics))
    if health["status"] != "ok":
        raise WorkFailed("Not every part of Drover is alive.", "Where it runs: python manage.py doctor")


@command(app, "metrics")
def metrics(session: Session) -> None:
    """Totals over all tasks, by model and by node."""
    answer = session.client.get("metrics")
    if session.out.as_json:
        session.out.json(answer)
        return
    session.out.details(_totals(answer))
    for key, noun in (("by_model", "model"), ("by_node", "node")):
        rows = [(name, counts["completed"], counts["failed"]) for name, counts in answer[key].items()]
        session.out.table((noun, "completed", "failed"), rows, empty="")


def _totals(metrics: dict[str, Any]) -> dict[str, Any]:
    words = ("total", "pending", "running", "completed", "failed", "cancelled")
    rate = metrics["success_rate"]
    return {**{word: f"{metrics[word]:,}" for word in words}, "success": "" if rate is None else f"{rate:.1%}"}


@command(app, "errors")
def errors(session: Session, limit: Limit = LIMIT_DEFAULT) -> None:
    """Tries that failed, newest first."""
    answer = session.client.rows("errors", "errors", limit=limit)
    if session.out.as_json:
        session.out.json(answer)
        return
    rows = [
        (row["task_id"], row["attempt"], ago(row["at"]), row["node"], row["model"], row["error_code"], _why(row))
        for row in answer["errors"]
    ]
    columns = ("task", "try", "when", "node", "model", "code", "error")
    session.out.table(columns, rows, empty="There are no errors.")


def _why(row: dict[str, Any]) -> str:
    return line(row["error"], 120) + (" (tried again)" if row["retry_at"] else "")


@command(app, "workers")
def workers(session: Session, limit: Limit = LIMIT_DEFAULT) -> None:
    """The processes that carry tasks to the nodes."""
    answer = session.client.rows("workers", "workers", limit=limit)
    if session.out.as_json:
        session.out.json(answer)
        return
    rows = [
        (
            row["name"],
            row["hostname"],
            row["pid"],
            f"{row['in_use']}/{row['capacity']}",
            _state(row),
            ago(row["seen_at"]),
        )
        for row in answer["workers"]
    ]
    session.out.table(("name", "machine", "pid", "in use", "state", "seen"), rows, empty="There are no workers.")


def _state(row: dict[str, Any]) -> str:
    if not row["alive"]:
        return "lost"
    return "stopping" if row["stopping"] else "ok"
