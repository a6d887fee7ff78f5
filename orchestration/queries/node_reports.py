"""One node in all detail, and how the versions of all differ."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F, Q

from orchestration.models import Attempt, HealthChange, Node, NodeVariant, OllamaModel
from orchestration.payloads import node_reports as payloads
from orchestration.payloads.node_reports import HintPayload, NodeReportPayload, TimelinePayload, VersionsPayload
from orchestration.policy.node_hints import HeldModel, NodeFacts, SlotsSeen, hints
from orchestration.policy.timelines import Change, timeline
from orchestration.policy.versions import Spread, spread
from orchestration.queries.fleet import get_node, in_full

FAILURES = 20
LONGEST_RANGE = timedelta(days=30)


def node_report(id_or_name: str | int, *, now: datetime, span: timedelta = timedelta(days=1)) -> NodeReportPayload:
    """``span``: how far its timeline goes back, at most thirty days."""
    row = get_node(id_or_name)
    live = Attempt.objects.filter(node=row, ended_at=None).select_related("task__owner").order_by("pk")
    return NodeReportPayload(
        node=in_full(row),
        hints=hints_of(row),
        timeline=_timeline(row, now - min(span, LONGEST_RANGE), now),
        running=[payloads.in_flight(attempt) for attempt in live],
        failures=[payloads.failure(attempt) for attempt in _failures(row)],
    )


def versions() -> VersionsPayload:
    return payloads.versions(_spread())


def hints_of(row: Node) -> list[HintPayload]:
    """``row`` as get_node gives it, with its models."""
    if not row.enabled:
        return []
    found = hints(_facts(row, _spread()))
    return [payloads.hint(each) for each in found]


def _spread() -> Spread | None:
    return spread(dict(Node.objects.filter(enabled=True).values_list("name", "ollama_version")))


def _failures(row: Node) -> Iterable[Attempt]:
    failed = Attempt.objects.filter(~Q(error_code=""), node=row).order_by("-pk")
    fields = ("task_id", "number", "model_name", "error_code", "error", "node_fault", "ended_at")
    return failed.only(*fields)[:FAILURES]


def _timeline(row: Node, since: datetime, until: datetime) -> TimelinePayload:
    own = HealthChange.objects.filter(node=row)
    before = own.filter(at__lte=since).order_by("-at")[:1]
    changes = [*before, *own.filter(at__gt=since)]
    found = [Change(at=change.at, health=change.health, reason=change.reason) for change in changes]
    return payloads.timeline(timeline(found, since=since, until=until))


def _facts(row: Node, fleet: Spread | None) -> NodeFacts:
    lags = fleet.behind if fleet else ()
    return NodeFacts(
        name=row.name,
        base_url=row.base_url,
        version=row.ollama_version,
        verify_tls=row.verify_tls,
        has_headers=bool(row.header_names),
        slots_per_model=row.slots_per_model,
        vram_bytes=row.vram_bytes,
        learned_bytes=row.learned_bytes,
        disk_bytes=row.disk_bytes,
        most_loaded=row.most_loaded,
        most_wanted=settings.DROVER_MAX_LOADED_MODELS,
        held=_held(row),
        slots_seen=_slots_seen(row),
        lag=next((lag for lag in lags if lag.node == row.name), None),
    )


def _held(row: Node) -> list[HeldModel]:
    loaded = [item for item in row.node_models.all() if item.loaded and item.loaded_bytes]
    return [
        HeldModel(name=item.model.name, bytes=item.loaded_bytes or 0, vram_bytes=item.vram_bytes or 0)
        for item in loaded
    ]


def _slots_seen(row: Node) -> list[SlotsSeen]:
    fewer = NodeVariant.objects.filter(node=row, slots__lt=F("node__slots_per_model"))
    seen = dict(fewer.order_by("-slots").values_list("model_name", "slots"))
    known = {model.name: model for model in OllamaModel.objects.filter(name__in=seen)}
    return [
        SlotsSeen(
            model=name,
            slots=slots or 1,
            family=known[name].family if name in known else "",
            embeds=name in known and "embedding" in known[name].capabilities,
        )
        for name, slots in seen.items()
    ]
