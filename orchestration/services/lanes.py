"""The stored summary of each lane: why its next task waits. Written once a lane, never once a task."""

from collections.abc import Mapping

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from orchestration import events
from orchestration.models import Lane, Task
from orchestration.policy.states import TaskStatus
from orchestration.services.fields import cut

REASON_LENGTH = 300
REDIS_AWAY = "Redis does not answer, so no worker can be told"


@transaction.atomic
def explain(*, reasons: Mapping[int, str], redis_answers: bool) -> None:
    """Stores what changed and tells whoever watches."""
    has_tasks = Exists(Task.objects.filter(lane=OuterRef("pk"), status=TaskStatus.PENDING))
    waiting = Lane.objects.filter(has_tasks | ~Q(waiting_reason=""))
    changed: dict[int, str] = {}
    for pk, stored in waiting.values_list("pk", "waiting_reason"):
        reason = cut(reasons.get(pk, "") if redis_answers else REDIS_AWAY, REASON_LENGTH)
        if reason != stored:
            changed[pk] = reason
            Lane.objects.filter(pk=pk).update(waiting_reason=reason)
    if changed:
        events.on_commit(("lanes", {str(pk): reason for pk, reason in changed.items()}))
