"""The history of a node's health: each change, the latest of them kept."""

from datetime import datetime

from orchestration.models import HealthChange, Node
from orchestration.policy.states import NodeHealth

KEPT = 500
"""A node that comes and goes all day must not fill the table."""


def note(node: Node, health: NodeHealth, reason: str, *, at: datetime) -> None:
    """Within the transaction of whoever changes it."""
    HealthChange.objects.create(node=node, at=at, health=health, reason=reason[:300])
    own = HealthChange.objects.filter(node=node)
    oldest = own.order_by("-pk").values_list("pk", flat=True)[KEPT - 1 : KEPT].first()
    if oldest is not None:
        own.filter(pk__lt=oldest).delete()
