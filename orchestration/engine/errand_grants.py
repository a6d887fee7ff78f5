"""Errands that may start now, as the scheduler sees them in its pass: read only where some wait, which is seldom."""

from collections import defaultdict
from collections.abc import Collection, Sequence

from django.conf import settings

from orchestration.models import Attempt, Node, Task
from orchestration.policy.decision import Waiting, Waits
from orchestration.policy.errands import NO_CONTEXT, ErrandDecision, ErrandLane, ErrandNode, decide_errands
from orchestration.policy.fleet import FleetView, LaneView
from orchestration.policy.states import NodeHealth, TaskStatus

LOOKED_AT = 1000


def decided(view: FleetView, *, redis_answers: bool) -> ErrandDecision:
    """Nothing is granted while Redis refuses: the jobs could not be sent."""
    if not redis_answers:
        words = Waiting(code=Waits.REDIS_AWAY, words="Redis does not answer")
        return ErrandDecision(waiting={lane.id: words for lane in view.errands})
    return decide_errands(
        _lanes(view.errands),
        nodes=_nodes({lane.node for lane in view.errands if lane.node is not None}),
        running=_running(),
        room=view.worker_room,
        workers_alive=view.workers_alive,
        pulls_per_node=settings.DROVER_PULLS_PER_NODE,
    )


def _lanes(lanes: Sequence[LaneView]) -> list[ErrandLane]:
    """The most urgent first, as their first tasks stand in the line."""
    ready = Task.objects.filter(lane__in=[lane.id for lane in lanes], status=TaskStatus.PENDING, not_before=None)
    tasks: dict[int, list[int]] = defaultdict(list)
    for pk, lane_id in ready.order_by("priority", "line_at", "pk").values_list("pk", "lane_id")[:LOOKED_AT]:
        tasks[lane_id].append(pk)
    known = {lane.id: lane for lane in lanes}
    return [
        ErrandLane(id=pk, type=known[pk].type, model=known[pk].models[0], node=known[pk].node, tasks=waiting)
        for pk, waiting in tasks.items()
    ]


def _running() -> list[tuple[int, str, str]]:
    live = Attempt.objects.filter(ended_at=None, num_ctx=NO_CONTEXT, node__isnull=False).order_by()
    return list(live.values_list("node_id", "model_name", "task__type"))


def _nodes(node_ids: Collection[int]) -> dict[int, ErrandNode]:
    return {pk: _node(node) for pk, node in Node.objects.in_bulk(node_ids).items()}


def _node(node: Node) -> ErrandNode:
    """A draining node may be tidied: that is often why it drains."""
    note = f"{node.name} is draining, which does not keep its models from being looked after" if node.draining else ""
    return ErrandNode(name=node.name, refuses=_refusal(node), note=note)


def _refusal(node: Node) -> str:
    if not node.enabled:
        return f"{node.name} is disabled"
    if node.health == NodeHealth.UNKNOWN:
        return f"{node.name} has not answered yet"
    if node.health == NodeHealth.UNHEALTHY:
        since = f" since {node.health_changed_at:%H:%M} UTC" if node.health_changed_at else ""
        return f"{node.name} offline{since}: {node.health_reason}"
    return f"{node.name} did not answer just now; it is asked again" if node.failures else ""
