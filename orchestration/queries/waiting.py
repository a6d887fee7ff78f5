"""Why a waiting task waits, in words: from its own state, its agent's limit, and the summary of its lane."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Count
from django.utils import timezone

from orchestration.models import Agent, Task, TaskDependency
from orchestration.policy.states import ACTIVE, UNFINISHED, TaskStatus


def waiting_reasons(tasks: Sequence[Task], *, now: datetime | None = None) -> dict[int, str]:
    """By task id, for those that wait. Needs ``lane`` selected; at most three queries however many tasks."""
    now = now or timezone.now()
    pending = [task for task in tasks if task.status == TaskStatus.PENDING]
    reasons = _steps([task.pk for task in tasks if task.status == TaskStatus.BLOCKED])
    limits = _agent_limits({task.agent_id for task in pending if task.agent_id})
    for task in pending:
        reasons[task.pk] = _of_pending(task, limits, now)
    for task in tasks:
        if task.status == TaskStatus.ASSIGNED:
            reasons[task.pk] = f"Starting on {task.node_name}"
    return reasons


def _of_pending(task: Task, limits: dict[int, str], now: datetime) -> str:
    if task.not_before and task.not_before > now:
        seconds = max(1, round((task.not_before - now).total_seconds()))
        return f"Retry {task.tries + 1}/{task.max_tries} in {seconds} s after: {_first_line(task.error)}"
    return limits.get(task.agent_id or 0) or task.lane.waiting_reason or "Waits for the scheduler"


def _first_line(text: str) -> str:
    line = text.partition("\n")[0]
    return line if len(line) <= 120 else f"{line[:119]}…"


def _steps(task_ids: list[int]) -> dict[int, str]:
    if not task_ids:
        return {}
    edges = TaskDependency.objects.filter(task_id__in=task_ids, needs__status__in=UNFINISHED)
    return {
        task_id: f"Waits for step {position + 1} “{title}”"
        for task_id, position, title in edges.values_list("task_id", "needs__position", "needs__title")
    }


def _agent_limits(agent_ids: set[int]) -> dict[int, str]:
    """The words for those agents that have all they may have in flight."""
    if not agent_ids:
        return {}
    in_flight = dict(
        Task.objects.filter(agent_id__in=agent_ids, status__in=ACTIVE)
        .order_by()
        .values_list("agent_id")
        .annotate(Count("pk"))
    )
    limits = Agent.objects.filter(pk__in=in_flight).values_list("pk", "max_concurrent_tasks")
    return {pk: f"Agent limit {in_flight[pk]}/{most}" for pk, most in limits if in_flight[pk] >= most}
