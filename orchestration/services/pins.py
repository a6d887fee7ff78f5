"""Tasks bound to one node, when that node is removed."""

from datetime import datetime

from orchestration.models import Lane, Node, Task
from orchestration.models.tasks import Move
from orchestration.policy.errands import is_errand
from orchestration.policy.states import UNFINISHED, TaskStatus
from orchestration.services.announce import announce_tasks
from orchestration.services.routes import lane_of

_AT_ONCE = 500


def release(*, node: Node, by: str, now: datetime) -> int:
    """The node goes: what only it might run fails, and what has ended is no longer bound. The number that failed.

    Nothing of it may be running any more.
    """
    lanes = list(Lane.objects.filter(node=node).select_related("agent"))
    if not lanes:
        return 0
    waiting = Task.objects.filter(lane__in=lanes, status__in=UNFINISHED)
    failed = list(waiting.order_by("pk").values_list("pk", "created_at", "type"))
    ended = {"ended_at": now, "not_before": None, "error_code": "node_removed", "message": ""}
    for first in range(0, len(failed), _AT_ONCE):
        moves = [
            Move(pk, "", {"duration_seconds": (now - created).total_seconds(), "error": _words(node, by, kind)})
            for pk, created, kind in failed[first : first + _AT_ONCE]
        ]
        Task.objects.transition_each(TaskStatus.FAILED, moves, **ended)
    for lane in lanes:
        free = lane_of(lane.agent, lane.type, lane.models, lane.num_ctx)
        Task.objects.filter(lane=lane).update(lane=free)
    announce_tasks([pk for pk, _, _ in failed])
    return len(failed)


def _words(node: Node, by: str, task_type: str) -> str:
    if is_errand(task_type):
        return f"It was for {node.name}, and {by} removed that node."
    return f"Only {node.name} might run it, and {by} removed that node. Retry it and any node may."
