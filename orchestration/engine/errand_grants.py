"""Errands that may start now, as the scheduler sees them in its pass: read only where some wait, which is seldom."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace

from django.conf import settings

from orchestration.models import Attempt, Node, Task
from orchestration.policy.decision import Waiting, Waits
from orchestration.policy.errands import NO_CONTEXT, ErrandDecision, ErrandLane, ErrandNode, decide_errands, without
from orchestration.policy.fleet import FleetView
from orchestration.policy.states import NodeHealth, TaskStatus

LOOKED_AT = 1000


def decided(view: FleetView, *, redis_answers: bool) -> ErrandDecision:
    """Nothing is granted while Redis refuses: the jobs could not be sent."""
    if not redis_answers:
        words = Waiting(code=Waits.REDIS_AWAY, words="Redis does not answer")
        return ErrandDecision(waiting={lane.id: words for lane in view.errands})
    decision = decide_errands(
        _lanes(view),
        nodes=_nodes({lane.node for lane in view.errands if lane.node is not None}),
        running=_running(),
        room=view.worker_room,
        workers_alive=view.workers_alive,
        pulls_per_node=settings.DROVER_PULLS_PER_NODE,
        in_use={(node.id, run.variant.model) for node in view.nodes for run in node.runs},
    )
    return replace(decision, waiting={**_paused(view), **decision.waiting})


def beside(view: FleetView, errands: ErrandDecision) -> FleetView:
    """What is left of the fleet for tasks: nothing more begins with a model that is about to be deleted."""
    if not errands.grants:
        return view
    nodes = without(view.nodes, errands.leaving)
    return replace(view, worker_room=view.worker_room - len(errands.grants), nodes=nodes)


def _paused(view: FleetView) -> dict[int, Waiting]:
    return {
        lane.id: Waiting(code=Waits.PAUSED, words=view.paused[min(lane.queues)])
        for lane in view.errands
        if lane.queues.keys() <= view.paused.keys()
    }


def _lanes(view: FleetView) -> list[ErrandLane]:
    """The most urgent first, as their first tasks stand in the line."""
    known = {lane.id: lane for lane in view.errands}
    ready = Task.objects.filter(lane__in=known, status=TaskStatus.PENDING, not_before=None)
    ready = ready.exclude(priority__in=view.paused).order_by("priority", "line_at", "pk")
    tasks: dict[int, list[int]] = defaultdict(list)
    force: dict[int, bool] = {}
    for pk, lane_id, parameters in ready.values_list("pk", "lane_id", "parameters")[:LOOKED_AT]:
        tasks[lane_id].append(pk)
        force.setdefault(lane_id, bool(parameters.get("force")))
    return [
        ErrandLane(
            id=pk,
            type=known[pk].type,
            model=known[pk].models[0],
            node=known[pk].node,
            tasks=waiting,
            force=force[pk],
        )
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
