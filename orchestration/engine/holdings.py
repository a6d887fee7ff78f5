"""The nodes as the policy sees them: what each has in memory, runs, and is committed to load."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings

from orchestration.engine.lessons import Lessons
from orchestration.models import LoadPlan, Node, NodeModel, NodeVariant
from orchestration.policy.fleet import NodeView, Plan, Resident, Run, Variant
from orchestration.policy.room import needed_bytes
from orchestration.policy.states import NodeHealth


def node_views(now: datetime, runs: Mapping[int, Sequence[Run]], lessons: Lessons) -> list[NodeView]:
    plans = {row.node_id: _plan(row) for row in LoadPlan.objects.all()}
    loaded = _loaded()
    noted = _noted(loaded)
    refused = _load_refused(now)
    return [
        _node(now, node, runs.get(node.pk, ()), plans.get(node.pk), loaded[node.pk], noted, lessons, refused[node.pk])
        for node in Node.objects.all()
    ]


def _node(
    now: datetime,
    node: Node,
    runs: Sequence[Run],
    plan: Plan | None,
    loaded: Mapping[str, NodeModel],
    noted: Mapping[tuple[int, str], list[NodeVariant]],
    lessons: Lessons,
    refused: Mapping[Variant, str],
) -> NodeView:
    bare = NodeView(
        id=node.pk,
        name=node.name,
        installed=frozenset(lessons.sizes[node.pk]),
        runs=runs,
        plan=plan,
        slots_per_model=node.slots_per_model,
        single_slot=frozenset(lessons.single[node.pk]),
        refuses=refusal(node, now),
        probe=node.circuit_until is not None and node.circuit_until <= now,
        vram_bytes=node.vram_bytes,
        learned_bytes=node.learned_bytes,
        reserved_bytes=node.reserved_bytes if node.reserved_until and node.reserved_until > now else 0,
        size_bytes=lessons.sizes[node.pk],
        known_bytes=lessons.known_bytes[node.pk],
        load_refused=refused,
    )
    residents = [_resident(now, bare, row, noted[node.pk, name]) for name, row in loaded.items()]
    return replace(bare, resident=dict(residents))


def _plan(row: LoadPlan) -> Plan:
    return Plan(
        variant=Variant(model=row.model_name, num_ctx=row.num_ctx),
        victims=tuple(Variant(model=model, num_ctx=num_ctx) for model, num_ctx in row.victims),
        since=row.planned_at,
        loading_since=row.loading_since,
        expected=timedelta(seconds=row.expected_seconds),
        patience=row.patience,
        preload=row.preload,
    )


def _loaded() -> dict[int, dict[str, NodeModel]]:
    loaded: dict[int, dict[str, NodeModel]] = defaultdict(dict)
    needed = ("node_id", "model__name", "loaded_context", "vram_bytes", "loaded_bytes", "last_used_at")
    for row in NodeModel.objects.filter(loaded=True).select_related("model").only(*needed):
        loaded[row.node_id][row.model.name] = row
    return loaded


def _noted(loaded: Mapping[int, Mapping[str, NodeModel]]) -> dict[tuple[int, str], list[NodeVariant]]:
    """What is known of the variants that are in memory."""
    noted: dict[tuple[int, str], list[NodeVariant]] = defaultdict(list)
    names = {name for rows in loaded.values() for name in rows}
    for row in NodeVariant.objects.filter(node__in=loaded, model_name__in=names):
        noted[row.node_id, row.model_name].append(row)
    return noted


def _resident(now: datetime, node: NodeView, row: NodeModel, noted: Sequence[NodeVariant]) -> tuple[Variant, Resident]:
    """Old servers do not tell the context a model was loaded with: then it is the one that Drover loaded last."""
    last = max((it for it in noted if it.loaded_at), key=lambda it: it.loaded_at or now, default=None)
    context = row.loaded_context or (last.num_ctx if last else settings.DROVER_DEFAULT_NUM_CTX)
    variant = Variant(model=row.model.name, num_ctx=context)
    known = next((it for it in noted if it.num_ctx == context), None)
    most = node.slots(variant.model)
    return variant, Resident(
        size_bytes=row.vram_bytes or row.loaded_bytes or needed_bytes(node, variant),
        slots=min(most, known.slots) if known and known.slots else most,
        since=known.loaded_at if known else None,
        last_used=known.last_used_at if known else None,
        busy_outside=bool(known and known.outside_until and known.outside_until > now),
    )


def _load_refused(now: datetime) -> dict[int, dict[Variant, str]]:
    """Loads that failed and are not tried again yet."""
    refused: dict[int, dict[Variant, str]] = defaultdict(dict)
    for row in NodeVariant.objects.filter(load_not_before__gt=now).select_related("node"):
        words = f"{row.node.name} could not load {row.model_name}: {row.load_error}"
        refused[row.node_id][Variant(model=row.model_name, num_ctx=row.num_ctx)] = words
    return refused


def refusal(node: Node, now: datetime) -> str:
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
    if node.circuit_until and node.circuit_until > now:
        until = f"{node.circuit_until:%H:%M:%S} UTC"
        return f"{node.name} rests until {until}: {node.faults} attempts in a row failed there"
    return f"{node.name} is draining" if node.draining else ""
