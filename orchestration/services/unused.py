"""Rows that nothing asks for any more, cleared away so that what every decision reads stays small."""

from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet

from orchestration.models import Lane, NodeVariant, Task
from orchestration.services import vectors

SEEN_FOR = timedelta(days=1)
"""What others were seen to use, or what could not be loaded, says nothing after that."""
LEARNED_FOR = timedelta(days=30)
"""What was measured is worth keeping for so long after its last use."""


def forget_unused(*, now: datetime) -> int:
    """The number of rows: lanes of agents that are gone with all their tasks, variants that nobody uses, vectors that
    have been known for long enough.

    People's own requests come with any context size, and each is a variant that was seen once.
    """
    lanes = Lane.objects.filter(agent=None).exclude(Exists(Task.objects.filter(lane=OuterRef("pk"))))
    return _unused_variants(now).delete()[0] + lanes.delete()[0] + vectors.clear_expired(now=now)


def _unused_variants(now: datetime) -> QuerySet[NodeVariant]:
    seen, learned = now - SEEN_FOR, now - LEARNED_FOR
    quiet = NodeVariant.objects.filter(
        Q(outside_until=None) | Q(outside_until__lt=seen),
        Q(load_not_before=None) | Q(load_not_before__lt=seen),
        loaded_at=None,
    )
    return quiet.filter(Q(last_used_at=None, load_seconds=None) | Q(last_used_at__lt=learned))
