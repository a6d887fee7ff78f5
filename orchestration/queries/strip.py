"""What stands on every page: which nodes there are, how much runs and waits. Three small queries, whatever there is."""

from datetime import timedelta

from django.db.models import Count
from django.utils import timezone
from typing_extensions import TypedDict

from orchestration.models import Node, Task
from orchestration.payloads import node_status
from orchestration.policy.states import UNFINISHED, TaskStatus


class NodeState(TypedDict):
    id: int
    name: str
    status: str


class Strip(TypedDict):
    nodes: list[NodeState]
    running: int
    waiting: int
    failed_last_hour: int


def strip() -> Strip:
    rows = Node.objects.only("name", "enabled", "draining", "health")
    unfinished = Task.objects.filter(status__in=UNFINISHED).order_by()
    counts = dict(unfinished.values_list("status").annotate(Count("pk")))
    running = counts.pop(TaskStatus.RUNNING, 0)
    since = timezone.now() - timedelta(hours=1)
    return Strip(
        nodes=[NodeState(id=row.pk, name=row.name, status=node_status(row)) for row in rows],
        running=running,
        waiting=sum(counts.values()),
        failed_last_hour=Task.objects.filter(status=TaskStatus.FAILED, ended_at__gte=since).count(),
    )
