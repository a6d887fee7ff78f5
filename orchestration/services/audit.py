"""The audit trail. Called by the other services inside their transaction."""

from typing import Any

from django.db import models

from orchestration.models import AuditEntry
from orchestration.permissions import Actor


def record(actor: Actor, action: str, obj: models.Model, **detail: Any) -> None:
    """One entry. ``detail`` must be JSON and must not hold secrets."""
    _add(actor, action, str(obj._meta.model_name), obj.pk, str(obj), detail)


def record_many(actor: Actor, action: str, kind: type[models.Model], count: int, **detail: Any) -> None:
    """One entry for many objects of a kind; ``detail`` says which."""
    names = kind._meta.verbose_name if count == 1 else kind._meta.verbose_name_plural
    _add(actor, action, str(kind._meta.model_name), None, f"{count:,} {names}", detail)


def record_whole(actor: Actor, action: str, what: str, **detail: Any) -> None:
    """One entry for something that is no row: the configuration as a whole."""
    _add(actor, action, what, None, what, detail)


def _add(actor: Actor, action: str, object_type: str, object_id: int | None, name: str, detail: dict[str, Any]) -> None:
    AuditEntry.objects.create(
        actor_id=actor.user_id,
        actor_name=actor.name,
        via=actor.via,
        ip=actor.ip,
        action=action,
        object_type=object_type,
        object_id=object_id,
        object_name=name[:200],
        detail=detail,
    )


def changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """The fields that differ, each as [before, after]."""
    return {name: [before.get(name), value] for name, value in after.items() if before.get(name) != value}
