"""Agents and the audit trail."""

from difflib import get_close_matches

from orchestration import payloads
from orchestration.errors import NotFound
from orchestration.models import Agent, AuditEntry
from orchestration.payloads import AgentPayload, AuditPayload
from orchestration.queries.ids import by_id_or_name

NAME_SHOWN = 80


def agents() -> list[AgentPayload]:
    return [payloads.agent(row) for row in Agent.objects.select_related("owner")]


def get_agent(id_or_name: str | int) -> Agent:
    """Raises NotFound with the nearest names."""
    key = str(id_or_name)
    rows = Agent.objects.select_related("owner")
    row = by_id_or_name(rows, key)
    if row is None:
        key = key[:NAME_SHOWN]
        names = list(Agent.objects.values_list("name", flat=True))
        near = get_close_matches(key, names, n=3, cutoff=0.5)
        hint = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(names[:10])}."
        raise NotFound(f"There is no agent {key!r}. {hint}", agent=key)
    return row


def audit(*, limit: int = 50, object_type: str | None = None, object_id: int | None = None) -> list[AuditPayload]:
    rows = AuditEntry.objects.all()
    if object_type:
        rows = rows.filter(object_type=object_type)
    if object_id is not None:
        rows = rows.filter(object_id=object_id)
    return [payloads.audit_entry(row) for row in rows[:limit]]
