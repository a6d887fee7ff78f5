"""Doing again what failed: each task when what it needs has completed, and nothing that has been done already."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, Q

from orchestration.models import Run, Task, TaskDependency
from orchestration.policy.states import ErrandType, Gate, TaskStatus
from orchestration.services import gates
from orchestration.services.announce import announce_tasks
from orchestration.services.passages import embedding_for
from orchestration.services.steps import advance

AGAIN = (TaskStatus.FAILED, TaskStatus.CANCELLED)

AS_NEW: dict[str, Any] = {
    "token": "",
    "tries": 0,
    "node": None,
    "node_name": "",
    "model_used": "",
    "decision_reason": "",
    "not_before": None,
    "started_at": None,
    "ended_at": None,
    "cancel_requested_at": None,
    "progress": 0,
    "phase": "",
    "message": "",
    "error": "",
    "error_code": "",
    "output": "",
    "thinking": "",
    "tool_calls": [],
    "vectors": None,
    "prompt_tokens": None,
    "output_tokens": None,
    "queued_seconds": None,
    "load_seconds": None,
    "prefill_seconds": None,
    "decode_seconds": None,
    "first_token_seconds": None,
    "duration_seconds": None,
    "skipped_because": "",
}


def put_back(run: Run, task_ids: Collection[int], now: datetime) -> set[int]:
    """Those of these tasks of the run that had failed or were cancelled, to be done again; none whose text was removed,
    and no errand for a node that is gone. Needs the run locked.

    In a fan-out it is the items that are done again; the step itself, which goes with them, only waits for their end.
    """
    ended = Task.objects.filter(run=run, status__in=AGAIN, text_removed_at=None)
    ended = ended.exclude(type__in=sorted(ErrandType), lane__node=None)
    mine = set(ended.filter(pk__in=task_ids).values_list("pk", flat=True))
    mine |= set(ended.filter(items__in=mine).values_list("pk", flat=True))
    mine |= set(ended.filter(parent__in=mine).values_list("pk", flat=True))
    Run.objects.filter(pk=run.pk).update(watched=run.has_limits)
    rows = Task.objects.filter(pk__in=mine, status__in=AGAIN)
    limited = run.paused_at is not None or run.max_parallel is not None
    gate = Gate.HELD if limited else Gate.FREE
    never_filled = Q(template__isnull=False, ready_at=None)
    steps = rows.filter(Exists(TaskDependency.objects.filter(task=OuterRef("pk"))) | never_filled)
    steps.transition_all(TaskStatus.BLOCKED, **AS_NEW, gate=gate, ready_at=None)
    to = TaskStatus.BLOCKED if limited else TaskStatus.PENDING
    rows.transition_all(to, **AS_NEW, gate=gate, ready_at=now)
    waiting = TaskDependency.objects.filter(needs=OuterRef("pk"), task__status=TaskStatus.BLOCKED)
    Task.objects.filter(Exists(waiting), run=run, awaited=False).update(awaited=True)
    for other in embedding_for(mine).filter(status=TaskStatus.CANCELLED).select_related("run").distinct():
        announce_tasks(put_back(other.run, [other.pk], now))
    advance(Task.objects.filter(pk__in=mine), now)
    gates.let_through([run])
    return mine
