"""Errands: what nodes are to do with models. Which of those that wait may start, and why the others wait."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from orchestration.policy.decision import Grant, Waiting, Waits
from orchestration.policy.fleet import NodeView
from orchestration.policy.states import ErrandType

AT_NODES = frozenset({ErrandType.PULL, ErrandType.UNLOAD, ErrandType.DELETE, ErrandType.COPY})
"""They need no model in memory, so they are granted by rules of their own. ``load`` is placed like any other task."""
NO_CONTEXT = 0
"""The ``num_ctx`` of their lanes and attempts, by which they are told from those that hold a slot of a model."""

_DOING = {
    ErrandType.PULL: "pulling",
    ErrandType.LOAD: "loading",
    ErrandType.UNLOAD: "unloading",
    ErrandType.DELETE: "deleting",
    ErrandType.COPY: "copying",
}

Place = tuple[int, str]
"""Node and model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrandLane:
    """Errands of one kind for one model on one node. ``tasks``: those that wait, the first in line first. ``force``:
    the first of them does not mind who uses the model."""

    id: int
    type: str
    model: str
    node: int | None
    tasks: Sequence[int]
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrandNode:
    """``refuses``: why nothing can be done there now. ``note``: what people should know although it can be."""

    name: str
    refuses: str = ""
    note: str = ""


@dataclass(slots=True)
class ErrandDecision:
    """``leaving``: what is about to be deleted, and where."""

    grants: list[Grant] = field(default_factory=list)
    leaving: list[Place] = field(default_factory=list)
    waiting: dict[int, Waiting] = field(default_factory=dict)


def doing(errand: str) -> str:
    """The word for it while it is done."""
    return _DOING[ErrandType(errand)]


def is_errand(task_type: str) -> bool:
    return task_type in set(ErrandType)


def decide_errands(
    lanes: Sequence[ErrandLane],
    *,
    nodes: Mapping[int, ErrandNode],
    running: Iterable[tuple[int, str, str]],
    room: int,
    workers_alive: int,
    pulls_per_node: int,
    in_use: Collection[Place] = (),
) -> ErrandDecision:
    """``running``: node, model and type of what is under way. One errand at a time for a model on a node.

    ``room``: how many more attempts the workers can take. ``in_use``: where tasks run, which a delete waits for.
    """
    under_way = list(running)
    busy: dict[Place, str] = {(node, model): kind for node, model, kind in under_way}
    pulls = Counter(node for node, _, kind in under_way if kind == ErrandType.PULL)
    decision = ErrandDecision()
    for lane in lanes:
        waits = (
            _why_not(lane, nodes, busy, pulls, pulls_per_node)
            or _used(lane, nodes, in_use)
            or _no_worker(room, workers_alive)
        )
        if waits is None and lane.node is not None:
            room -= 1
            busy[lane.node, lane.model] = lane.type
            pulls[lane.node] += lane.type == ErrandType.PULL
            decision.grants.append(_grant(lane, lane.node, nodes[lane.node]))
            decision.leaving += [(lane.node, lane.model)] if lane.type == ErrandType.DELETE else []
            waits = _behind(lane, lane.type, nodes[lane.node]) if len(lane.tasks) > 1 else None
        if waits is not None:
            decision.waiting[lane.id] = waits
    return decision


def without(nodes: Sequence[NodeView], leaving: Collection[Place]) -> Sequence[NodeView]:
    """The nodes, as if what is leaving had left: nothing more is begun with it."""
    if not leaving:
        return nodes
    gone = {node.id: {model for node_id, model in leaving if node_id == node.id} for node in nodes}
    return [replace(node, installed=node.installed - gone[node.id]) if gone[node.id] else node for node in nodes]


def _grant(lane: ErrandLane, node_id: int, node: ErrandNode) -> Grant:
    reason = f"It is for {node.name} alone" + (f". {node.note}" if node.note else "")
    return Grant(task_id=lane.tasks[0], node_id=node_id, model=lane.model, num_ctx=NO_CONTEXT, slot=0, reason=reason)


def _why_not(
    lane: ErrandLane,
    nodes: Mapping[int, ErrandNode],
    busy: Mapping[Place, str],
    pulls: Mapping[int, int],
    pulls_per_node: int,
) -> Waiting | None:
    node = nodes.get(lane.node) if lane.node is not None else None
    if node is None or lane.node is None:
        return Waiting(code=Waits.NODE_UNAVAILABLE, words="The node it was for has been removed")
    if node.refuses:
        return Waiting(code=Waits.NODE_UNAVAILABLE, words=node.refuses)
    if other := busy.get((lane.node, lane.model)):
        return _behind(lane, other, node)
    if lane.type == ErrandType.PULL and pulls[lane.node] >= pulls_per_node:
        words = f"{node.name} is pulling {pulls[lane.node]} models already, {pulls_per_node} at once is the limit"
        return Waiting(code=Waits.BUSY, words=words)
    return None


def _used(lane: ErrandLane, nodes: Mapping[int, ErrandNode], in_use: Collection[Place]) -> Waiting | None:
    """It was not when it was asked for; but that may have been long ago."""
    if lane.type != ErrandType.DELETE or lane.force or lane.node is None or (lane.node, lane.model) not in in_use:
        return None
    words = f"{nodes[lane.node].name} is running {lane.model}, which is deleted when that has ended"
    return Waiting(code=Waits.BUSY, words=words)


def _behind(lane: ErrandLane, other: str, node: ErrandNode) -> Waiting:
    return Waiting(code=Waits.BUSY, words=f"{node.name} is {doing(other)} {lane.model}; one thing at a time")


def _no_worker(room: int, workers_alive: int) -> Waiting | None:
    if not workers_alive:
        return Waiting(code=Waits.NO_WORKER, words="No worker is running")
    return None if room > 0 else Waiting(code=Waits.WORKERS_FULL, words="All workers are full")
