"""The fleet as the placement policy sees it, read from the database in a fixed number of queries a lane."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Q

from orchestration.models import Agent, Attempt, Lane, ModelConfig, Node, NodeModel, OllamaModel, Task, WorkerProcess
from orchestration.models.tasks import TaskQuerySet
from orchestration.policy.fleet import AgentRule, FleetView, LaneView, ModelRule, NodeView, Variant, WaitingTask
from orchestration.policy.states import NodeHealth, TaskStatus

HEADS = 256
"""Tasks looked at for each lane and agent in one pass; more than that cannot be granted at once anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Flight:
    """Attempts that hold a slot."""

    slots: dict[int, dict[Variant, frozenset[int]]]
    models: Counter[str]
    agents: Counter[int]
    total: int


def fleet_view(now: datetime) -> FleetView:
    flight = _in_flight()
    capacity, alive = _workers(now)
    room = max(0, capacity - flight.total)
    agents = _agents(flight)
    return FleetView(
        now=now,
        nodes=_nodes(flight),
        lanes=_lanes(now, agents, room),
        models=_models(flight),
        agents=agents,
        worker_room=room,
        worker_capacity=capacity,
        workers_alive=alive,
        patience=settings.DROVER_PATIENCE,
    )


def _in_flight() -> _Flight:
    slots: dict[int, dict[Variant, set[int]]] = defaultdict(lambda: defaultdict(set))
    models: Counter[str] = Counter()
    agents: Counter[int] = Counter()
    live = Attempt.objects.filter(ended_at=None).order_by()
    rows = list(live.values_list("node_id", "model_name", "num_ctx", "slot", "task__agent_id"))
    for node_id, model, num_ctx, slot, agent_id in rows:
        models[model] += 1
        if node_id is not None:
            slots[node_id][Variant(model=model, num_ctx=num_ctx)].add(slot)
        if agent_id is not None:
            agents[agent_id] += 1
    frozen = {node: {variant: frozenset(used) for variant, used in by.items()} for node, by in slots.items()}
    return _Flight(slots=frozen, models=models, agents=agents, total=len(rows))


def _workers(now: datetime) -> tuple[int, int]:
    """Capacity and number of the workers that can take something."""
    fresh = WorkerProcess.objects.filter(seen_at__gt=now - settings.DROVER_WORKER_STALE, stopping=False)
    capacities = list(fresh.values_list("capacity", flat=True))
    return sum(capacities), len(capacities)


def _nodes(flight: _Flight) -> list[NodeView]:
    models: dict[int, list[NodeModel]] = defaultdict(list)
    for row in NodeModel.objects.select_related("model"):
        models[row.node_id].append(row)
    return [
        NodeView(
            id=node.pk,
            name=node.name,
            installed=frozenset(row.model.name for row in models[node.pk] if row.installed),
            loaded={row.model.name: row.loaded_context for row in models[node.pk] if row.loaded},
            busy=flight.slots.get(node.pk, {}),
            slots_per_model=node.slots_per_model,
            single_slot=frozenset(row.model.name for row in models[node.pk] if "embedding" in row.model.capabilities),
            refuses=_refusal(node),
            vram_bytes=node.vram_bytes,
            size_bytes={row.model.name: row.size_bytes for row in models[node.pk]},
            resident_bytes={row.model.name: row.vram_bytes for row in models[node.pk] if row.loaded and row.vram_bytes},
        )
        for node in Node.objects.all()
    ]


def _refusal(node: Node) -> str:
    """Why the node takes nothing new, in words; empty when it does."""
    if not node.enabled:
        return f"{node.name} is disabled"
    if node.health == NodeHealth.UNKNOWN:
        return f"{node.name} has not answered yet"
    if node.health == NodeHealth.UNHEALTHY:
        since = f" since {node.health_changed_at:%H:%M} UTC" if node.health_changed_at else ""
        return f"{node.name} offline{since}: {node.health_reason}"
    if node.failures:
        return f"{node.name} did not answer just now; it is asked again"
    return f"{node.name} is draining" if node.draining else ""


def _models(flight: _Flight) -> dict[str, ModelRule]:
    configs = {config.model_name: config for config in ModelConfig.objects.all()}
    contexts = dict(OllamaModel.objects.values_list("name", "context_length"))
    return {name: _rule(name, configs.get(name), contexts.get(name), flight) for name in {*configs, *contexts}}


def _rule(name: str, config: ModelConfig | None, context: int | None, flight: _Flight) -> ModelRule:
    in_flight = flight.models[name]
    if config is None:
        return ModelRule(context_length=context, in_flight=in_flight)
    return ModelRule(
        enabled=config.enabled,
        context_length=context,
        priority=config.priority,
        max_concurrent=config.max_concurrent_requests,
        in_flight=in_flight,
    )


def _agents(flight: _Flight) -> dict[int, AgentRule]:
    limits = Agent.objects.values_list("pk", "max_concurrent_tasks")
    return {pk: AgentRule(max_concurrent=most, in_flight=flight.agents[pk]) for pk, most in limits}


def ready(now: datetime) -> TaskQuerySet:
    """Tasks that may start now."""
    return Task.objects.filter(Q(not_before=None) | Q(not_before__lte=now), status=TaskStatus.PENDING)


def _lanes(now: datetime, agents: dict[int, AgentRule], room: int) -> list[LaneView]:
    """The first tasks of each lane, agent by agent, so that one agent at its limit hides no other."""
    heads: dict[int, list[WaitingTask]] = defaultdict(list)
    for lane_id, agent_id in ready(now).order_by().values_list("lane_id", "agent_id").distinct():
        free = _free(agents.get(agent_id)) if agent_id is not None else HEADS
        if free:
            heads[lane_id] += _heads(now, lane_id, agent_id, min(HEADS, free, max(1, room)))
    lanes = Lane.objects.in_bulk(heads)
    return [
        LaneView(id=lane_id, models=tuple(lanes[lane_id].models), num_ctx=lanes[lane_id].num_ctx, tasks=tasks)
        for lane_id, tasks in heads.items()
    ]


def _free(rule: AgentRule | None) -> int:
    return max(0, rule.max_concurrent - rule.in_flight) if rule else HEADS


def _heads(now: datetime, lane_id: int, agent_id: int | None, most: int) -> Iterable[WaitingTask]:
    of_agent = Q(agent=None) if agent_id is None else Q(agent_id=agent_id)
    tasks = ready(now).filter(of_agent, lane_id=lane_id).order_by("priority", "ready_at", "pk")
    rows = tasks.values_list("pk", "priority", "ready_at", "created_at", "node_id", "error_code")[:most]
    return [
        WaitingTask(
            id=pk,
            agent=agent_id,
            priority=priority,
            since=ready_at or created_at,
            avoid=node_id if error_code else None,
        )
        for pk, priority, ready_at, created_at, node_id, error_code in rows
    ]
