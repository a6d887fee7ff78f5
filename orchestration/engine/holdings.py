"""The nodes as the policy sees them: what each has in memory, runs, and is committed to load."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

from django.conf import settings
from django.db.models import Q

from orchestration.engine.lessons import Lessons
from orchestration.models import LoadPlan, Node, NodeModel, NodeVariant
from orchestration.policy.fleet import ModelRule, NodeView, Plan, Resident, Run, Variant, may_run
from orchestration.policy.room import needed_bytes
from orchestration.policy.states import NodeHealth


class _Loaded(NamedTuple):
    node_id: int
    model: str
    context: int | None
    vram_bytes: int | None
    loaded_bytes: int | None


class _Note(NamedTuple):
    """What is remembered of a variant that is in memory, or whose load failed."""

    node_id: int
    model: str
    num_ctx: int
    slots: int | None
    loaded_at: datetime | None
    last_used_at: datetime | None
    outside_until: datetime | None
    load_not_before: datetime | None
    load_error: str


def node_views(
    now: datetime,
    runs: Mapping[int, Sequence[Run]],
    lessons: Lessons,
    models: Mapping[str, ModelRule] = MappingProxyType({}),
) -> list[NodeView]:
    kept_to = {name: rule.allowed_nodes for name, rule in models.items() if rule.allowed_nodes}
    plans = {row.node_id: _plan(row) for row in LoadPlan.objects.all()}
    loaded = _loaded()
    notes = _notes(now)
    return [
        _node(now, node, runs.get(node.pk, ()), plans.get(node.pk), loaded[node.pk], notes[node.pk], lessons, kept_to)
        for node in Node.objects.all()
    ]


def _node(
    now: datetime,
    node: Node,
    runs: Sequence[Run],
    plan: Plan | None,
    loaded: Sequence[_Loaded],
    notes: Sequence[_Note],
    lessons: Lessons,
    kept_to: Mapping[str, Sequence[str]],
) -> NodeView:
    has = frozenset(lessons.sizes[node.pk])
    barred = frozenset(name for name in kept_to if name in has and not may_run(kept_to[name], node.name, node.labels))
    resident: dict[Variant, Resident] = {}
    view = NodeView(
        id=node.pk,
        name=node.name,
        installed=has - barred,
        labels=tuple(node.labels),
        barred=barred,
        resident=resident,
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
        pinned=lessons.pinned[node.pk],
        load_refused=_load_refused(now, node, notes),
    )
    resident.update(_resident(now, view, row, notes) for row in loaded)
    return view


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


# Plain tuples: these rows are read for every decision, and making model instances of them costs more than reading.
def _loaded() -> dict[int, list[_Loaded]]:
    loaded: dict[int, list[_Loaded]] = defaultdict(list)
    fields = ("node_id", "model__name", "loaded_context", "vram_bytes", "loaded_bytes")
    for values in NodeModel.objects.filter(loaded=True).order_by().values_list(*fields):
        loaded[values[0]].append(_Loaded(*values))
    return loaded


def _notes(now: datetime) -> dict[int, list[_Note]]:
    """Of what Drover loaded, what others use, and what is known to be unlike other variants."""
    notes: dict[int, list[_Note]] = defaultdict(list)
    told = Q(loaded_at__isnull=False) | Q(slots__isnull=False) | Q(outside_until__gt=now) | Q(load_not_before__gt=now)
    fields = ("node_id", "model_name", "num_ctx", "slots", "loaded_at", "last_used_at", "outside_until")
    rows = NodeVariant.objects.filter(told).order_by().values_list(*fields, "load_not_before", "load_error")
    for values in rows:
        notes[values[0]].append(_Note(*values))
    return notes


def _resident(now: datetime, node: NodeView, row: _Loaded, notes: Sequence[_Note]) -> tuple[Variant, Resident]:
    """Old servers do not tell the context a model was loaded with: then it is the one that Drover loaded last."""
    noted = [note for note in notes if note.model == row.model]
    last = max((note for note in noted if note.loaded_at), key=lambda it: it.loaded_at or now, default=None)
    context = row.context or (last.num_ctx if last else settings.DROVER_DEFAULT_NUM_CTX)
    variant = Variant(model=row.model, num_ctx=context)
    known = next((note for note in noted if note.num_ctx == context), None)
    most = node.slots(variant.model)
    return variant, Resident(
        size_bytes=row.vram_bytes or row.loaded_bytes or needed_bytes(node, variant),
        slots=min(most, known.slots) if known and known.slots else most,
        since=known.loaded_at if known else None,
        last_used=known.last_used_at if known else None,
        busy_outside=bool(known and known.outside_until and known.outside_until > now),
    )


def _load_refused(now: datetime, node: Node, notes: Sequence[_Note]) -> dict[Variant, str]:
    """Loads that failed and are not tried again yet."""
    return {
        Variant(model=note.model, num_ctx=note.num_ctx): f"{node.name} could not load {note.model}: {note.load_error}"
        for note in notes
        if note.load_not_before and note.load_not_before > now
    }


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
    return _resting(node) if node.draining else ""


def _resting(node: Node) -> str:
    why = f": {node.drain_note}" if node.drain_note else ""
    who = f" (by {node.drained_by})" if node.drained_by else ""
    return f"{node.name} is draining{_until(node)}{why}{who}"


def _until(node: Node) -> str:
    return f" until {node.drain_until:%d %b %H:%M} UTC" if node.drain_until else ""
