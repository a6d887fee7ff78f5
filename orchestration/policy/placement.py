"""Which waiting task runs next, on which node, with which model: the fleet in, a decision out.

The shape is the lasting one (lanes, variants, slots, reasons). The rule inside: classes in strict order, oldest first
within a class; a model that is resident comes before one that would have to be loaded; a lane takes whichever of its
models can start soonest (late binding). A model is sent to a node that would have to load it only where it displaces
nothing that is in use (policy/room.py); a task whose model no node holds and that has waited out its patience gets a
node kept for it, which then takes nothing else until it is empty. Everything has a reason in words.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from orchestration.policy import room
from orchestration.policy.fleet import AgentRule, FleetView, LaneView, ModelRule, NodeView, Variant, WaitingTask


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
    kept: dict[int, Variant] = field(default_factory=dict)
    """Nodes that are being emptied, and for what."""


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
        _keep_a_node(view, books, lane, task)
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
    if slot is None or books.kept.get(node.id, variant) != variant:
        return None
    resident = node.has_loaded(variant)
    if room.reloads(busy, variant) or room.disturbs(node, busy, variant):
        return None
    if not resident and not used and room.lacking(node, busy, variant):
        return None
    priority = view.models.get(variant.model, ModelRule()).priority
    warmth = 0 if resident else 1 if used else 3 if variant.model in node.loaded else 2
    others = sum(len(slots) for slots in busy.values()) - len(used)
    return _Place(
        node=node,
        variant=variant,
        slot=slot,
        resident=resident,
        coming=bool(used) and not resident,
        rank=(int(node.id == task.avoid), warmth, -priority, order, len(used), others, node.id),
    )


def _keep_a_node(view: FleetView, books: _Books, lane: LaneView, task: WaitingTask) -> None:
    """For a task that has waited long enough for a model that no node holds: the node with the least to do."""
    patience = view.patience.get(task.priority)
    if patience is None or view.now - task.since < patience:
        return
    able = [
        (sum(len(slots) for slots in books.busy[node.id].values()), order, node.id, variant_of(view, lane, model))
        for order, model in enumerate(lane.models)
        if _model_open(view, books, model)
        for node in view.nodes
        if not node.refuses and model in node.installed
    ]
    held = any(_holds(view, books, node_id, variant) for _, _, node_id, variant in able)
    free = [item for item in able if item[2] not in books.kept]
    if free and not held:
        _, _, node_id, variant = min(free, key=lambda item: item[:3])
        books.kept[node_id] = variant


def _holds(view: FleetView, books: _Books, node_id: int, variant: Variant) -> bool:
    """Whether the variant is there to be waited for: loaded and not about to be reloaded, on its way, or planned."""
    node = next(node for node in view.nodes if node.id == node_id)
    busy = books.busy[node_id]
    loaded = node.has_loaded(variant) and not room.reloads(busy, variant)
    return loaded or bool(busy.get(variant)) or books.kept.get(node_id) == variant


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
    for model, node in open_holders:
        variant = variant_of(view, lane, model)
        used = len(busy[node.id].get(variant, ()))
        if used >= node.slots(model):
            return f"{model} busy {used}/{node.slots(model)} on {node.name}"
    model, node = open_holders[0]
    variant = variant_of(view, lane, model)
    there = busy[node.id]
    blockers = room.reloads(there, variant) or room.disturbs(node, there, variant) or room.lacking(node, there, variant)
    return f"{model} waits for room on {node.name}: {blockers or 'it is kept for a task that waits longer'}"


def _first_sentence(reasons: Iterable[str]) -> str:
    return next(iter(reasons), "No node can take it")
