"""Turning the scheduler's decision into attempts that hold their slot."""

import secrets
from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F

from orchestration import queue
from orchestration.models import Attempt, Node, Task
from orchestration.policy.decision import Grant
from orchestration.policy.states import Priority, TaskStatus
from orchestration.services.announce import announce_tasks
from orchestration.services.fields import cut

REASON_LENGTH = 300
QUEUE_OF = {Priority.HIGH: "high", Priority.NORMAL: "normal", Priority.LOW: "low"}


@transaction.atomic
def assign(*, grants: Sequence[Grant], now: datetime) -> list[queue.AttemptJob]:
    """Turns grants into attempts that hold their slot; those somebody else was first with are left out.

    The caller enqueues the jobs after the commit.
    """
    nodes = Node.objects.in_bulk({grant.node_id for grant in grants})
    pending = {
        task.pk: task
        for task in Task.objects.filter(pk__in=[g.task_id for g in grants], status=TaskStatus.PENDING).only(
            "pk", "attempt_count", "priority"
        )
    }
    jobs = []
    for grant in grants:
        task, node = pending.get(grant.task_id), nodes.get(grant.node_id)
        if task and node and (job := _assign_one(grant, task, node, now)):
            jobs.append(job)
    announce_tasks([grant.task_id for grant in grants])
    return jobs


def _assign_one(grant: Grant, task: Task, node: Node, now: datetime) -> queue.AttemptJob | None:
    """The unique constraints decide: a slot or a task that is taken makes this grant void, not the others."""
    try:
        with transaction.atomic():
            attempt = Attempt.objects.create(
                task=task,
                number=task.attempt_count + 1,
                node=node,
                node_name=node.name,
                model_name=grant.model,
                num_ctx=grant.num_ctx,
                slot=grant.slot,
                token=secrets.token_hex(16),
                queue=QUEUE_OF[Priority(task.priority)],
                decision_reason=cut(grant.reason, REASON_LENGTH),
                estimated_tokens=grant.tokens,
                granted_at=now,
                lease_until=now + settings.DROVER_LEASE,
            )
            if not _give(task, node, attempt):
                raise IntegrityError
    except IntegrityError:
        return None
    return queue.AttemptJob(
        attempt_id=attempt.pk,
        token=attempt.token,
        queue=attempt.queue,
        lease_seconds=max(1, int(settings.DROVER_LEASE.total_seconds())),
    )


def _give(task: Task, node: Node, attempt: Attempt) -> bool:
    return Task.objects.transition(
        task.pk,
        TaskStatus.ASSIGNED,
        token=attempt.token,
        attempt_id=attempt.pk,
        attempt_count=F("attempt_count") + 1,
        node=node,
        node_name=node.name,
        model_used=attempt.model_name,
        decision_reason=attempt.decision_reason,
        not_before=None,
        started_at=None,
        progress=0,
        phase="",
        message="",
        error="",
        error_code="",
    )
