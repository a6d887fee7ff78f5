"""A model that could not be loaded: those who waited for it first are charged a try, as if they had been sent there."""

import random
import secrets
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import transaction

from orchestration.errors import DroverError
from orchestration.models import Attempt, Lane, Node, Pause, Task
from orchestration.models.tasks import TaskQuerySet
from orchestration.policy.retries import RetryPolicy, Verdict, judge
from orchestration.policy.states import AttemptStatus, PauseKind, TaskStatus
from orchestration.services.announce import announce_tasks
from orchestration.services.fallbacks import Following, following
from orchestration.services.setbacks import fail_task, others_have_it
from orchestration.services.tries import policy_in_force

CHARGED = 100
"""Tasks of one failed load. The others wait for the next load, and it costs some of them a try if it fails too."""

_NEEDED = (
    *("status", "lane_id", "agent_id", "priority", "created_at", "version", "tries", "own_max_tries"),
    *("fallbacks", "routing_reason", "message", "think", "not_before", "error", "error_code"),
)
_CHANGED = (
    *("not_before", "tries", "max_tries", "error", "error_code", "node", "attempt_id", "attempt_count", "version"),
    *("lane", "fallbacks", "routing_reason", "message", "think"),
)


@transaction.atomic
def load_failed(*, lane_ids: Collection[int], node_id: int, model_name: str, error: DroverError, now: datetime) -> int:
    """Each of the first ready tasks of these lanes gets an ended attempt, and is tried again or fails. Their number."""
    node = Node.objects.filter(pk=node_id).first()
    line = _wanting(lane_ids).only(*_NEEDED, "attempt_count").order_by("priority", "line_at", "pk")
    tasks = list(line.select_for_update(skip_locked=True)[:CHARGED])
    if node is None or not tasks:
        return 0
    others = others_have_it(node_id, model_name, error)
    policies = _policies(tasks, model_name)
    judged = [
        (task, judge(policies[_who(task)], error, tries=task.tries + 1, others=others, spread=random.random()))
        for task in tasks
    ]
    others_of = _following(judged, model_name, error)
    judged = [(task, _with_words(verdict, others_of.get(task.pk))) for task, verdict in judged]
    attempts = _record(judged, node, model_name, error, now)
    again = []
    for (task, verdict), attempt in zip(judged, attempts, strict=True):
        counted: dict[str, Any] = {"max_tries": policies[_who(task)].max_tries, "tries": task.tries + 1}
        counted |= {"attempt_id": attempt.pk, "attempt_count": attempt.number, "node": None}
        if other := others_of.get(task.pk):
            again.append(_changed(task, **{**counted, **other.fields, "error": "", "error_code": ""}))
        elif attempt.retry_at is None:
            fail_task(task, "", now, error, "", "", **counted)
        else:
            counted |= {"node": node} if verdict.elsewhere else {}
            again.append(_backing_off(task, attempt, **counted))
    Task.objects.bulk_update(again, _CHANGED)
    announce_tasks([task.pk for task in tasks], wake=True)
    return len(tasks)


def _following(judged: Sequence[tuple[Task, Verdict]], model_name: str, error: DroverError) -> dict[int, Following]:
    """By task: what those go on with that are not tried again."""
    over = [task.pk for task, verdict in judged if verdict.delay is None]
    return {pk: other for pk in over if (other := following(pk, model_name, error))}


def _with_words(verdict: Verdict, other: Following | None) -> Verdict:
    return replace(verdict, words=other.words) if other else verdict


def _wanting(lane_ids: Collection[int]) -> TaskQuerySet:
    """What is ready there, without what is paused: it waits for somebody, not for the load."""
    paused: dict[str, list[int]] = {PauseKind.PRIORITY: [], PauseKind.AGENT: []}
    for kind, key in Pause.objects.filter(kind__in=paused).values_list("kind", "key"):
        paused[kind].append(int(key))
    ready = Task.objects.filter(lane_id__in=lane_ids, status=TaskStatus.PENDING, not_before=None)
    return ready.exclude(priority__in=paused[PauseKind.PRIORITY]).exclude(agent__in=paused[PauseKind.AGENT])


def _who(task: Task) -> tuple[int | None, int | None]:
    return task.agent_id, task.own_max_tries


def _policies(tasks: Sequence[Task], model_name: str) -> dict[tuple[int | None, int | None], RetryPolicy]:
    return {
        (agent_id, own): policy_in_force(agent_id=agent_id, model_name=model_name, own_max_tries=own)
        for agent_id, own in set(map(_who, tasks))
    }


def _record(
    judged: Sequence[tuple[Task, Verdict]], node: Node, model_name: str, error: DroverError, now: datetime
) -> list[Attempt]:
    """Attempts that end as they begin. They say nothing of how fast the node is: the load itself does."""
    sizes = dict(Lane.objects.filter(pk__in={task.lane_id for task, _ in judged}).values_list("pk", "num_ctx"))
    rows = [
        Attempt(
            task=task,
            number=task.attempt_count + 1,
            node=node,
            node_name=node.name,
            model_name=model_name,
            num_ctx=sizes[task.lane_id],
            slot=0,
            token=secrets.token_hex(16),
            status=AttemptStatus.FAILED,
            decision_reason=f"{model_name} was to be loaded on {node.name}",
            granted_at=now,
            lease_until=now,
            ended_at=now,
            error_code=error.code,
            error=error.message,
            follow_up=verdict.words,
            retry_at=None if verdict.delay is None else now + verdict.delay,
            settled=True,
        )
        for task, verdict in judged
    ]
    return Attempt.objects.bulk_create(rows)


def _backing_off(task: Task, attempt: Attempt, **fields: Any) -> Task:
    words = {"error": attempt.error, "error_code": attempt.error_code}
    return _changed(task, **fields, **words, not_before=attempt.retry_at)


def _changed(task: Task, **fields: Any) -> Task:
    for name, value in {**fields, "version": task.version + 1}.items():
        setattr(task, name, value)
    return task
