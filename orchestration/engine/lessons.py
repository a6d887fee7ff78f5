"""What changes slowly and is read once a second: what is installed where, and what finished calls have taught."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.db import connection
from django.db.models import Count

from orchestration.engine import backlog, forecast
from orchestration.engine.backlog import Counts
from orchestration.models import Attempt, NodeModel, NodeVariant, OllamaModel, OutputEstimate
from orchestration.policy.estimates import Estimates, Place
from orchestration.policy.fleet import HIGH_WINDOW, Upcoming, Variant
from orchestration.queries.facts import usual_contexts


@dataclass(frozen=True, slots=True, kw_only=True)
class Lessons:
    """What changes slowly: what is installed where, what was learned. May be a second old."""

    read_at: datetime
    sizes: dict[int, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    contexts: dict[str, int | None]
    """The context each model was trained with, in tokens."""
    single: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    known_bytes: dict[int, dict[Variant, int]] = field(default_factory=lambda: defaultdict(dict))
    pinned: dict[int, dict[Variant, str]] = field(default_factory=lambda: defaultdict(dict))
    estimates: Estimates = field(default_factory=Estimates)
    high_rate: dict[str, float] = field(default_factory=dict)
    counts: Counts = field(default_factory=dict)
    steps: list[Upcoming] = field(default_factory=list)
    usual: list[Upcoming] = field(default_factory=list)
    usual_read_at: datetime

    @property
    def upcoming(self) -> list[Upcoming]:
        """What may be loaded ahead of time, the most urgent first."""
        return [*self.steps, *self.usual]


def move_log() -> None:
    """SQLite's write-ahead log into the file, as far as that disturbs nobody; elsewhere the server looks after it."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(PASSIVE)")


def read_lessons(now: datetime, before: Lessons | None = None) -> Lessons:
    """``before``: what was read last, of which the slowest part is taken over for a while."""
    remembered = before is not None and now - before.usual_read_at < forecast.REMEMBERED_FOR
    lessons = Lessons(
        read_at=now,
        estimates=_estimates(),
        contexts=dict(OllamaModel.objects.order_by().values_list("name", "context_length")),
        high_rate=_high_rate(now),
        counts=backlog.counts(),
        steps=list(forecast.steps()) if settings.DROVER_PRELOAD else [],
        usual=before.usual if before and remembered else list(forecast.usual(now)) if settings.DROVER_PRELOAD else [],
        usual_read_at=before.usual_read_at if before and remembered else now,
    )
    rows = NodeModel.objects.filter(installed=True).order_by()
    fields = ("node_id", "model__name", "size_bytes", "model__capabilities", "pinned", "pinned_context", "pinned_by")
    held = list(rows.values_list(*fields))
    usual = usual_contexts({name for _, name, _, _, pinned, num_ctx, _ in held if pinned and not num_ctx})
    for node_id, name, size, capabilities, pinned, num_ctx, by in held:
        lessons.sizes[node_id][name] = size
        if pinned:
            variant = Variant(model=name, num_ctx=num_ctx or usual[name])
            lessons.pinned[node_id][variant] = f"pinned by {by}" if by else "pinned"
        if "embedding" in capabilities:
            lessons.single[node_id].add(name)
    measured = NodeVariant.objects.exclude(size_bytes=None).values_list(
        "node_id", "model_name", "num_ctx", "size_bytes"
    )
    for node_id, name, num_ctx, size in measured:
        lessons.known_bytes[node_id][Variant(model=name, num_ctx=num_ctx)] = size or 0
    return lessons


def _estimates() -> Estimates:
    """A model's speed hardly depends on its context: of several the mean is taken."""
    speeds: dict[Place, list[float]] = defaultdict(list)
    loads: dict[Place, list[float]] = defaultdict(list)
    runs: dict[Place, list[float]] = defaultdict(list)
    fields = ("node_id", "model_name", "tokens_per_second", "load_seconds", "run_seconds")
    for node_id, name, speed, load, run in NodeVariant.objects.values_list(*fields):
        for known, value in ((speeds, speed), (loads, load), (runs, run)):
            if value is not None:
                known[node_id, name].append(value)
    outputs = OutputEstimate.objects.values_list("agent_id", "type", "tokens")
    return Estimates(
        tokens_per_second=_means(speeds),
        load_seconds=_means(loads),
        run_seconds=_means(runs),
        output_tokens={(agent, kind): tokens for agent, kind, tokens in outputs},
    )


def _means(values: dict[Place, list[float]]) -> dict[Place, float]:
    return {place: sum(known) / len(known) for place, known in values.items()}


def _high_rate(now: datetime) -> dict[str, float]:
    recent = Attempt.objects.filter(queue="high", granted_at__gt=now - HIGH_WINDOW, num_ctx__gt=0).order_by()
    counts = recent.values_list("model_name").annotate(Count("pk"))
    return {name: count / HIGH_WINDOW.total_seconds() for name, count in counts}
