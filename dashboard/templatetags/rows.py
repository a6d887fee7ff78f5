"""What a task row and an audit entry say in words; ``static/js/rows.js`` says the same of tasks."""

from dataclasses import dataclass

from django import template

from dashboard.templatetags.numbers import number, seconds
from orchestration.payloads import AuditPayload, TaskRow, WaitingPayload
from orchestration.policy.errands import is_errand

register = template.Library()

DEEDS = {
    "task.submitted": "submitted",
    "task.cancelled": "cancelled",
    "task.cancel_requested": "asked to cancel",
    "task.retried": "retried",
    "task.edited": "changed",
    "task.deleted": "deleted",
    "run.cancelled": "cancelled",
    "comparison.voted": "voted on",
    "agent.created": "made the agent",
    "agent.changed": "changed the agent",
    "agent.deleted": "deleted the agent",
    "node.created": "connected",
    "node.changed": "changed",
    "node.deleted": "removed",
    "node.drained": "drains",
    "node.resumed": "resumed",
    "node.circuit_closed": "closed the circuit of",
    "node.unhealthy": "lost",
    "node.healthy": "reached again",
    "key.created": "made the API key",
    "key.revoked": "revoked the API key",
    "user.logged_in": "logged in as",
    "priority.paused": "paused",
    "priority.resumed": "resumed",
    "model.paused": "paused the model",
    "model.resumed": "resumed the model",
    "agent.paused": "paused the agent",
    "agent.resumed": "resumed the agent",
    "model.pull": "asked for",
    "model.load": "asked for",
    "model.unload": "asked for",
    "model.delete": "asked for",
    "model.copy": "asked for",
    "model.pinned": "pinned",
    "model.unpinned": "let go of",
    "tasks.cancelled": "cancelled",
    "tasks.priority_changed": "changed the priority of",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """The progress cell: a bar where the share is known, else words. ``dim`` for what is over."""

    text: str
    share: float | None = None
    dim: bool = False


@register.filter
def progress_of(row: TaskRow) -> Shown:
    state = row["state"]
    errand = is_errand(row["type"])
    if state in ("loading", "prefill", "generating", "working", "cancelling") and row["status"] == "running":
        return Shown(row["message"] or ("" if errand else _tokens(row)), row["progress"] or None)
    if state == "completed" and errand:
        return Shown(row["message"], dim=True)
    if state == "completed":
        return Shown(f"{_tokens(row)} in {seconds(row['duration_seconds'])}", dim=True)
    if state == "failed":
        return Shown((row["error"] or "failed").splitlines()[0])
    if state == "cancelled":
        return Shown(f"after {seconds(row['duration_seconds'])}" if row["duration_seconds"] else "", dim=True)
    if state == "starting" and row["node"]:
        return Shown(f"Starting on {row['node']}")
    return Shown(row["waiting_reason"] or row["message"] or "waits for the next free slot")


@register.filter
def when(waiting: WaitingPayload) -> str:
    """Place and expected start."""
    return ", ".join(filter(None, (waiting["line"], waiting["start"])))


def _tokens(row: TaskRow) -> str:
    if row["type"] == "embed":
        return f"{number(row['prompt_tokens'])} tokens read"
    count = row["output_tokens"]
    if count is None:
        return "no token yet"
    return f"{number(count)} token{'' if count == 1 else 's'}"


@register.filter
def deed(entry: AuditPayload) -> str:
    """The action as a verb: "bob cancelled …"."""
    if entry["action"] == "run.submitted":
        return f"sent {entry['detail'].get('agent', 'an agent')}"
    return DEEDS.get(entry["action"], entry["action"].replace(".", " ").replace("_", " "))
