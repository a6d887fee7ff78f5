"""The load sample: what runs and waits where, how fast, and what is resident. Counted from the database and from what
workers reported in the last seconds; whatever nobody knows is None."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, Min

from orchestration import events, payloads, queue
from orchestration.models import Attempt, LoadPlan, Node, NodeModel, Task, WorkerProcess
from orchestration.payloads import LoadSample, ModelLoad, NodeLoad, ResidentModel, Totals, iso, node_status, stamp
from orchestration.policy.states import AttemptStatus, NodeHealth, TaskStatus
from orchestration.queries.pauses import paused_models

FRESH = timedelta(seconds=3)
_FIRST_TOKEN_SAMPLES = 500

Place = tuple[str, str]
"""(node name, model name)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """What one sample is made of. ``rates`` is None when no worker has reported lately."""

    now: datetime
    nodes: list[Node]
    resident: dict[Place, NodeModel]
    running: Counter[Place]
    waiting: Counter[str]
    rates: dict[Place, float] | None
    loading: set[Place]
    plans: dict[int, LoadPlan]
    paused: set[str]


def load_sample(now: datetime) -> LoadSample:
    """The sample at ``now``. A fixed number of queries, whatever the number of tasks."""
    facts = _gather(now)
    models = [_model(facts, name) for name in _model_names(facts)]
    nodes = [_node(facts, node) for node in facts.nodes]
    return LoadSample(
        at=stamp(now),
        models=sorted(models, key=lambda model: (-model["running"], -model["waiting"], model["name"])),
        nodes=nodes,
        totals=_totals(facts, nodes),
    )


def _gather(now: datetime) -> _Facts:
    nodes = list(Node.objects.all())
    resident = {
        (row.node.name, row.model.name): row
        for row in NodeModel.objects.filter(loaded=True).select_related("node", "model")
        if row.node.health == NodeHealth.HEALTHY
    }
    running = Counter(
        {
            (node, model): number
            for node, model, number in Attempt.objects.filter(
                ended_at=None, status=AttemptStatus.RUNNING, num_ctx__gt=0
            )
            .order_by()
            .values_list("node_name", "model_name")
            .annotate(Count("pk"))
        }
    )
    rates, loading = _reported(now)
    plans = {plan.pk: plan for plan in LoadPlan.objects.all()}
    return _Facts(
        now=now,
        nodes=nodes,
        resident=resident,
        running=running,
        waiting=_waiting(),
        rates=rates,
        loading=loading | _being_loaded(nodes, plans),
        plans=plans,
        paused=paused_models(),
    )


def _being_loaded(nodes: Iterable[Node], plans: dict[int, LoadPlan]) -> set[Place]:
    """By Drover. What workers report is a model that was gone when their request came, and is loaded by that."""
    return {(node.name, plan.model_name) for node in nodes if (plan := plans.get(node.pk)) and plan.loading_since}


def _waiting() -> Counter[str]:
    """Waiting tasks by the first model of their lane: the one they would most likely get."""
    waiting: Counter[str] = Counter()
    waiting_now = Task.objects.filter(status__in=[TaskStatus.PENDING, TaskStatus.ASSIGNED], lane__num_ctx__gt=0)
    for models, number in waiting_now.order_by().values_list("lane__models").annotate(Count("pk")):
        if models:
            waiting[models[0]] += number
    return waiting


def _reported(now: datetime) -> tuple[dict[Place, float] | None, set[Place]]:
    rates: dict[Place, float] = defaultdict(float)
    loading: set[Place] = set()
    fresh = [report for report in events.read_rates().values() if now - datetime.fromisoformat(report["at"]) < FRESH]
    for report in fresh:
        for key, tokens in report["rates"].items():
            rates[_place(key)] += tokens
        for key, phases in report["phases"].items():
            if phases.get("loading"):
                loading.add(_place(key))
    return (dict(rates) if fresh else None), loading


def _place(key: str) -> Place:
    node, _, model = key.partition("\0")
    return node, model


def _model_names(facts: _Facts) -> list[str]:
    places = [*facts.resident, *facts.running, *facts.loading]
    return sorted({model for _, model in places} | set(facts.waiting))


def _model(facts: _Facts, name: str) -> ModelLoad:
    used_on = [node for node in facts.nodes if _in_use(facts, (node.name, name))]
    resident = [row for (_, model), row in facts.resident.items() if model == name]
    places = [(node.name, name) for node in used_on]
    return ModelLoad(
        name=name,
        running=sum(facts.running[place] for place in places),
        waiting=facts.waiting[name],
        slots=sum(_slots(facts, node, name) for node in used_on),
        tokens_per_second=_rate(facts, places),
        vram_bytes=_sum(row.vram_bytes for row in resident),
        loaded_bytes=_sum(row.loaded_bytes for row in resident),
        nodes=[node.name for node in facts.nodes if node in used_on or (node.name, name) in facts.loading],
        loading=any((node.name, name) in facts.loading for node in facts.nodes),
        paused=name in facts.paused,
        expires_at=iso(min((row.expires_at for row in resident if row.expires_at), default=None)),
    )


def _sum(sizes: Iterable[int | None]) -> int | None:
    known = [size for size in sizes if size is not None]
    return sum(known) if known else None


def _in_use(facts: _Facts, place: Place) -> bool:
    return place in facts.resident or facts.running[place] > 0


def _slots(facts: _Facts, node: Node, model: str) -> int:
    row = facts.resident.get((node.name, model))
    return 1 if row and "embedding" in row.model.capabilities else node.slots_per_model


def _rate(facts: _Facts, places: Iterable[Place]) -> float | None:
    return None if facts.rates is None else sum(facts.rates.get(place, 0.0) for place in places)


def _node(facts: _Facts, node: Node) -> NodeLoad:
    places = [*facts.resident, *facts.running, *facts.loading]
    names = sorted({model for place, model in places if place == node.name})
    plan = facts.plans.get(node.pk)
    models = [_resident(facts, node, name) for name in names]
    known = node.health == NodeHealth.HEALTHY
    return NodeLoad(
        id=node.pk,
        name=node.name,
        status=node_status(node),
        reason=node.health_reason,
        circuit=node.circuit.words(facts.now),
        running=sum(model["running"] for model in models),
        slots=sum(model["slots"] for model in models) if known else None,
        tokens_per_second=_rate(facts, [(node.name, name) for name in names]) if known else None,
        vram_used_bytes=(_sum(model["vram_bytes"] for model in models) or 0) if known else None,
        loaded_bytes=(_sum(model["loaded_bytes"] for model in models) or 0) if known else None,
        vram_bytes=node.vram_bytes,
        plan=payloads.load_plan(plan) if plan else None,
        models=models,
    )


def _resident(facts: _Facts, node: Node, name: str) -> ResidentModel:
    row = facts.resident.get((node.name, name))
    return ResidentModel(
        name=name,
        running=facts.running[(node.name, name)],
        slots=_slots(facts, node, name) if _in_use(facts, (node.name, name)) else 0,
        tokens_per_second=_rate(facts, [(node.name, name)]),
        vram_bytes=row.vram_bytes if row else None,
        loaded_bytes=row.loaded_bytes if row else None,
        expires_at=iso(row.expires_at) if row else None,
        loading=(node.name, name) in facts.loading,
    )


def _totals(facts: _Facts, nodes: list[NodeLoad]) -> Totals:
    ended = _ended_last_hour(facts.now)
    first = _first_tokens(facts.now)
    alive = [row for row in WorkerProcess.objects.all() if facts.now - row.seen_at < settings.DROVER_WORKER_STALE]
    oldest = Task.objects.filter(status=TaskStatus.PENDING).aggregate(Min("ready_at"))["ready_at__min"]
    return Totals(
        running=sum(facts.running.values()),
        waiting=Task.objects.filter(status__in=[TaskStatus.PENDING, TaskStatus.ASSIGNED, TaskStatus.BLOCKED]).count(),
        slots=sum(node["slots"] or 0 for node in nodes),
        oldest_wait_seconds=(facts.now - oldest).total_seconds() if oldest else None,
        tokens_per_second=None if facts.rates is None else sum(facts.rates.values()),
        failed_last_hour=ended[TaskStatus.FAILED],
        ended_last_hour=sum(ended.values()),
        first_token_p50_seconds=_percentile(first, 0.5),
        first_token_p95_seconds=_percentile(first, 0.95),
        workers_alive=len(alive),
        worker_capacity=sum(row.capacity for row in alive),
        worker_in_use=sum(row.in_use for row in alive),
        redis=queue.answers(),
    )


def _ended_last_hour(now: datetime) -> Counter[str]:
    ended = [TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED]
    rows = Task.objects.filter(status__in=ended, ended_at__gte=now - timedelta(hours=1))
    return Counter(dict(rows.order_by().values_list("status").annotate(Count("pk"))))


def _first_tokens(now: datetime) -> list[float]:
    """Sorted times to the first token of the latest tasks of the last quarter of an hour."""
    recent = Task.objects.filter(status=TaskStatus.COMPLETED, ended_at__gte=now - timedelta(minutes=15))
    known = recent.exclude(first_token_seconds=None).order_by("-ended_at")
    values = known.values_list("first_token_seconds", flat=True)[:_FIRST_TOKEN_SAMPLES]
    return sorted(value for value in values if value is not None)


def _percentile(ordered: list[float], share: float) -> float | None:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None
