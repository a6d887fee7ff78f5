"""Audit entries on the wire."""

from typing import Any

from typing_extensions import TypedDict

from orchestration.models import AuditEntry
from orchestration.payloads.base import stamp


class AuditPayload(TypedDict):
    id: int
    at: str
    actor: str
    via: str
    action: str
    object_type: str
    object_id: int | None
    object_name: str
    detail: dict[str, Any]


def audit_entry(row: AuditEntry) -> AuditPayload:
    return AuditPayload(
        id=row.pk,
        at=stamp(row.at),
        actor=row.actor_name,
        via=row.via,
        action=row.action,
        object_type=row.object_type,
        object_id=row.object_id,
        object_name=row.object_name,
        detail=row.detail,
    )
