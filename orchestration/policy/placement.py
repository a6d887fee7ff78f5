"""Which waiting task runs next, on which node, with which model: the fleet in, a decision out.

The shape is the lasting one (lanes, variants, slots, reasons). The rule inside: classes in strict order, oldest first
within a class; a model that is resident comes before one that would have to be loaded; a lane takes whichever of its
models can start soonest (late binding). Everything has a reason in words.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What a node really loads: a model with a context size in tokens."""

    model: str
    num_ctx: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    """A node as the decision sees it. ``busy`` holds the slot numbers in use by each variant."""

    id: int
    name: str
    installed: frozenset[str]
    loaded: Mapping[str, int | None]
    busy: Mapping[Variant, frozenset[int]]
    slots_per_model: int
    single_slot: frozenset[str] = frozenset()
    refuses: str = ""

    def slots(self, model: str) -> int:
        return 1 if model in self.single_slot else self.slots_per_model

    def in_use(self) -> int:
        return sum(len(slots) for slots in self.busy.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRule:
    """What the team decided about a model, and its training context in tokens. ``in_flight`` counts over all nodes."""

    enabled: bool = True
    context_length: int | None = None
    priority: int = 0
    max_concurrent: int | None = None
    in_flight: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRule:
    max_concurrent: int
    in_flight: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingTask:
    id: int
    agent: int | None
    priority: int
    since: datetime
    avoid: int | None = None
    """The node of the last failed attempt: another one is taken where there is a choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneView:
    """A queue with its first tasks, in no particular order; ``preferred`` is the model asked for first."""

    id: int
    models: tuple[str, ...]
    num_ctx: int
    tasks: Sequence[WaitingTask]


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetView:
    now: datetime
    nodes: Sequence[NodeView]
    lanes: Sequence[LaneView]
    models: Mapping[str, ModelRule]
    agents: Mapping[int, AgentRule]
    worker_room: int
    worker_capacity: int
    workers_alive: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    task_id: int
    node_id: int
    model: str
    num_ctx: int
    slot: int
    reason: str


@dataclass(frozen=True, slots=True)
class Decision:
    grants: list[Grant] = field(default_factory=list)
    lane_reasons: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Books:
    """What is in use while grants are being made."""

    busy: dict[int, dict[Variant, set[int]]]
    models: Counter[str]
    agents: Counter[int]
    room: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    node: NodeView
    variant: Variant
    slot: int
    resident: bool
    coming: bool
    rank: tuple[int, ...]


def decide(view: FleetView) -> Decision:
    """Grants as many slots as limits allow, and says of each lane that still waits why its next task does."""
    decision = Decision()
    books = _Books(
        busy={node.id: {variant: set(slots) for variant, slots in node.busy.items()} for node in view.nodes},
        models=Counter({name: rule.in_flight for name, rule in view.models.items()}),
        agents=Counter({agent: rule.in_flight for agent, rule in view.agents.items()}),
        room=view.worker_room,
    )
    lanes = {lane.id: lane for lane in view.lanes}
    full: dict[int, str] = {}
    for lane_id, task in _in_order(view.lanes):
        if lane_id in full:
            continue
        reason = _grant(view, books, lanes[lane_id], task, decision)
        if reason:
            full[lane_id] = reason
    decision.lane_reasons.update(full)
    return decision


def _in_order(lanes: Iterable[LaneView]) -> list[tuple[int, WaitingTask]]:
    waiting = [(lane.id, task) for lane in lanes for task in lane.tasks]
    return sorted(waiting, key=lambda pair: (pair[1].priority, pair[1].since, pair[1].id))


def _grant(view: FleetView, books: _Books, lane: LaneView, task: WaitingTask, decision: Decision) -> str:
    """Grants the task a slot, or says why its lane is full. An agent at its limit holds back its own tasks only."""
    if not view.workers_alive:
        return "No worker is running"
    if books.room <= 0:
        return f"Workers are full {view.worker_capacity}/{view.worker_capacity}"
    if task.agent is not None and (limit := view.agents.get(task.agent)) and _at_limit(books, task.agent, limit):
        return ""
    place = _best_place(view, books, lane, task)
    if place is None:
        return explain(view, books.busy, books.models, lane)
    books.busy[place.node.id].setdefault(place.variant, set()).add(place.slot)
    books.models[place.variant.model] += 1
    if task.agent is not None:
        books.agents[task.agent] += 1
    books.room -= 1
    decision.grants.append(
        Grant(
            task_id=task.id,
            node_id=place.node.id,
            model=place.variant.model,
            num_ctx=place.variant.num_ctx,
            slot=place.slot,
            reason=_reason(place, books),
        )
    )
    return ""


def _at_limit(books: _Books, agent: int, rule: AgentRule) -> bool:
    return books.agents[agent] >= rule.max_concurrent


def _best_place(view: FleetView, books: _Books, lane: LaneView, task: WaitingTask) -> _Place | None:
    places = [
        place
        for order, model in enumerate(lane.models)
        if _model_open(view, books, model)
        for node in view.nodes
        if not node.refuses and model in node.installed
        if (place := _place(view, books, node, variant_of(view, lane, model), order, task))
    ]
    return min(places, key=lambda place: place.rank, default=None)


def variant_of(view: FleetView, lane: LaneView, model: str) -> Variant:
    """What a node would load for the lane: Ollama cuts a context to the one the model was trained with."""
    most = view.models.get(model, ModelRule()).context_length
    return Variant(model=model, num_ctx=min(lane.num_ctx, most) if most else lane.num_ctx)


def _model_open(view: FleetView, books: _Books, model: str) -> bool:
    rule = view.models.get(model, ModelRule())
    return rule.enabled and (rule.max_concurrent is None or books.models[model] < rule.max_concurrent)


def _place(
    view: FleetView, books: _Books, node: NodeView, variant: Variant, order: int, task: WaitingTask
) -> _Place | None:
    busy = books.busy[node.id]
    used = busy.get(variant, set())
    slot = next((number for number in range(node.slots(variant.model)) if number not in used), None)
    if slot is None:
        return None
    other_size = any(other.model == variant.model and other != variant and slots for other, slots in busy.items())
    resident = node.loaded.get(variant.model) == variant.num_ctx
    coming = bool(used) and not resident
    priority = view.models.get(variant.model, ModelRule()).priority
    warmth = 0 if resident else 1 if coming else 3 if other_size else 2
    in_use = sum(len(slots) for slots in busy.values())
    others = in_use - len(used)
    return _Place(
        node=node,
        variant=variant,
        slot=slot,
        resident=resident,
        coming=coming,
        rank=(int(node.id == task.avoid), warmth, -priority, order, len(used), others, node.id),
    )


def _reason(place: _Place, books: _Books) -> str:
    variant, node = place.variant, place.node
    used = len(books.busy[node.id][variant])
    slots = f"{used} of {node.slots(variant.model)} slots used"
    if place.resident:
        return f"{variant.model} already loaded on {node.name}, {slots}"
    if place.coming:
        return f"{variant.model} is being loaded on {node.name}, {slots}"
    if variant.model in node.loaded:
        return f"{variant.model} on {node.name} must be reloaded with a context of {variant.num_ctx}"
    return f"{variant.model} loaded nowhere with a free slot; {node.name} has it on disk and the least to do"


def explain(
    view: FleetView, busy: Mapping[int, Mapping[Variant, set[int]]], in_flight: Mapping[str, int], lane: LaneView
) -> str:
    """Why nothing of the lane can start, in words for the person who waits."""
    holders = [(model, node) for model in lane.models for node in view.nodes if model in node.installed]
    enabled = [model for model in lane.models if view.models.get(model, ModelRule()).enabled]
    if not enabled:
        return f"Model disabled: {', '.join(lane.models)}"
    if not holders:
        return f"Not pulled on any node: {', '.join(lane.models)}"
    open_holders = [(model, node) for model, node in holders if not node.refuses and model in enabled]
    if not open_holders:
        return _first_sentence(node.refuses for model, node in holders if node.refuses)
    for model, _ in open_holders:
        rule = view.models.get(model, ModelRule())
        if rule.max_concurrent is not None and in_flight.get(model, 0) >= rule.max_concurrent:
            return f"{model} at its limit {in_flight[model]}/{rule.max_concurrent}"
    model, node = open_holders[0]
    used = len(busy[node.id].get(variant_of(view, lane, model), ()))
    return f"{model} busy {used}/{node.slots(model)} on {node.name}"


def _first_sentence(reasons: Iterable[str]) -> str:
    return next(iter(reasons), "No node can take it")
