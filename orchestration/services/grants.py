"""Turning the scheduler's decision into attempts that hold their slot."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime

from django.conf import settings
from django.db import transaction

from orchestration import queue
from orchestration.models import Attempt, Node, Task
from orchestration.models.tasks import Move
from orchestration.policy.decision import Grant
from orchestration.policy.errands import NO_CONTEXT
from orchestration.policy.states import Priority, TaskStatus
from orchestration.services.announce import announce_tasks
from orchestration.services.fields import cut

REASON_LENGTH = 300
QUEUE_OF = {Priority.HIGH: "high", Priority.NORMAL: "normal", Priority.LOW: "low"}


@transaction.atomic
def assign(*, grants: Sequence[Grant], now: datetime) -> list[queue.AttemptJob]:
    """Turns grants into attempts that hold their slot; those somebody else was first with are left out.

    The tasks are locked first, but those that somebody is changing now: to wait for them would end in a deadlock with
    many changes at once. Then the unique constraints decide: a slot that is taken makes one grant void, not the others.
    The caller enqueues the jobs after the commit.
    """
    nodes = Node.objects.in_bulk({grant.node_id for grant in grants})
    waiting = Task.objects.filter(pk__in=[grant.task_id for grant in grants], status=TaskStatus.PENDING, token="")
    free = waiting.select_for_update(skip_locked=True).order_by("pk")
    pending = {task.pk: task for task in free.only("pk", "attempt_count", "priority", "message")}
    wanted = [
        _attempt(grant, task, node, now)
        for grant in grants
        if (node := nodes.get(grant.node_id)) and (task := pending.pop(grant.task_id, None))
    ]
    Attempt.objects.bulk_create(wanted, ignore_conflicts=True)
    stored = dict(Attempt.objects.filter(token__in=[each.token for each in wanted]).values_list("token", "pk"))
    held = [(stored[each.token], each) for each in wanted if each.token in stored]
    Task.objects.transition_each(TaskStatus.ASSIGNED, [_move(pk, attempt) for pk, attempt in held], **_AS_NEW)
    announce_tasks([grant.task_id for grant in grants])
    return [_job(pk, attempt) for pk, attempt in held]


def charged(
    *, service: Mapping[int, float], grants: Sequence[Grant], jobs: Sequence[queue.AttemptJob]
) -> Mapping[int, float]:
    """The accounts as decided, without what grants were to take that came to nothing."""
    if len(jobs) == len(grants):
        return service
    accounts = dict(service)
    held = {*Attempt.objects.filter(pk__in=[job.attempt_id for job in jobs]).values_list("task_id", flat=True)}
    for grant in grants:
        if grant.task_id not in held:
            accounts[grant.share] -= grant.tokens
    return accounts


def _attempt(grant: Grant, task: Task, node: Node, now: datetime) -> Attempt:
    return Attempt(
        task=task,
        number=task.attempt_count + 1,
        node=node,
        node_name=node.name,
        model_name=grant.model,
        num_ctx=grant.num_ctx,
        slot=grant.slot,
        token=secrets.token_hex(16),
        queue=QUEUE_OF[Priority(task.priority)],
        decision_reason=cut(". ".join(filter(None, (grant.reason, task.message))), REASON_LENGTH),
        estimated_tokens=grant.tokens,
        settled=grant.num_ctx == NO_CONTEXT,  # errands teach nothing about models, and cost nobody anything
        granted_at=now,
        lease_until=now + settings.DROVER_LEASE,
    )


_AS_NEW = {
    **{"not_before": None, "started_at": None, "progress": 0},
    **{"phase": "", "message": "", "error": "", "error_code": ""},
}


def _move(pk: int, attempt: Attempt) -> Move:
    fields = {
        "token": attempt.token,
        "attempt_id": pk,
        "attempt_count": attempt.number,
        "node": attempt.node_id,
        "node_name": attempt.node_name,
        "model_used": attempt.model_name,
        "decision_reason": attempt.decision_reason,
    }
    return Move(attempt.task_id, "", fields)


def _job(pk: int, attempt: Attempt) -> queue.AttemptJob:
    return queue.AttemptJob(
        attempt_id=pk,
        token=attempt.token,
        queue=attempt.queue,
        lease_seconds=max(1, int(settings.DROVER_LEASE.total_seconds())),
    )
