"""The stored summary of each lane: why its next task waits. Written once a lane, never once a task."""

from collections.abc import Mapping

from django.db import transaction

from orchestration import events
from orchestration.models import Lane
from orchestration.policy.states import TaskStatus

REDIS_AWAY = "Redis does not answer, so no worker can be told"


@transaction.atomic
def explain(*, reasons: Mapping[int, str], redis_answers: bool) -> None:
    """Stores what changed and tells whoever watches."""
    waiting = Lane.objects.filter(tasks__status=TaskStatus.PENDING).distinct() | Lane.objects.exclude(waiting_reason="")
    changed: dict[int, str] = {}
    for pk, stored in waiting.values_list("pk", "waiting_reason"):
        reason = reasons.get(pk, "") if redis_answers else REDIS_AWAY
        if reason != stored:
            changed[pk] = reason
            Lane.objects.filter(pk=pk).update(waiting_reason=reason)
    if changed:
        events.on_commit(("lanes", {str(pk): reason for pk, reason in changed.items()}))
