"""The audit trail. Called by the other services inside their transaction."""

from typing import Any

from django.db import models

from orchestration.models import AuditEntry
from orchestration.permissions import Actor


def record(actor: Actor, action: str, obj: models.Model, **detail: Any) -> None:
    """One entry. ``detail`` must be JSON and must not hold secrets."""
    AuditEntry.objects.create(
        actor_id=actor.user_id,
        actor_name=actor.name,
        via=actor.via,
        ip=actor.ip,
        action=action,
        object_type=str(obj._meta.model_name),
        object_id=obj.pk,
        object_name=str(obj)[:200],
        detail=detail,
    )


def changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """The fields that differ, each as [before, after]."""
    return {name: [before.get(name), value] for name, value in after.items() if before.get(name) != value}
