"""Models as the fleet knows them: the list by name, one in full, how old that is, and whether a name is installed."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.conf import settings
from django.db.models import Max
from django.utils import timezone
from typing_extensions import TypedDict

from orchestration.errors import NotFound
from orchestration.models import ModelConfig, Node, NodeModel, NodeVariant
from orchestration.payloads import models as shapes
from orchestration.payloads.fleet import node_status
from orchestration.payloads.models import (
    DetailsPayload,
    FleetListing,
    ListingPayload,
    ModelPlace,
    ModelRow,
    NameStatusPayload,
)
from orchestration.policy.catalogue import tag_named
from orchestration.policy.freshness import Freshness, Limits, age_in_words, freshness, is_asked_for, oldest
from orchestration.policy.model_names import base_name, name_status
from orchestration.policy.routing import full_name
from orchestration.queries import catalogue
from orchestration.queries.dependents import Dependents, dependents
from orchestration.queries.model_details import details_of

__all__ = [
    "Dependents",
    "ModelGroup",
    "ModelPayload",
    "dependents",
    "details",
    "fleet_listing",
    "groups",
    "limits",
    "model",
    "model_rows",
    "status",
]


class ModelGroup(TypedDict):
    """A model with all its tags."""

    name: str
    variants: list[ModelRow]


class ModelPayload(ModelRow):
    """``details`` None: no node has told them yet."""

    places: list[ModelPlace]
    status: NameStatusPayload
    details: DetailsPayload | None
    listing: FleetListing


def limits() -> Limits:
    return Limits(fresh=settings.DROVER_LISTING_FRESH, stale=settings.DROVER_LISTING_STALE)


def status(name: str) -> NameStatusPayload:
    """Whether just this name is installed, the same model with other tags, or neither; and whether it can be pulled."""
    installed = NodeModel.objects.filter(installed=True).values_list("model__name", flat=True).distinct()
    known = name_status(name, list(installed))
    tag = tag_named(catalogue.models(), known.name)
    return NameStatusPayload(
        name=known.name,
        presence=known.presence.value,
        others=list(known.others),
        downloadable=tag is not None,
        size_bytes=tag.size_bytes if tag else None,
        near=[] if tag or known.presence == "exact" else catalogue.near(known.name),
    )


def groups(*, now: datetime | None = None) -> list[ModelGroup]:
    """All models by their name without the tag."""
    found: dict[str, list[ModelRow]] = defaultdict(list)
    for row in model_rows(now=now):
        found[base_name(row["name"])].append(row)
    return [ModelGroup(name=name, variants=found[name]) for name in sorted(found)]


def model_rows(*, now: datetime | None = None) -> list[ModelRow]:
    """Every model that is on a node, by name. Two queries."""
    found: dict[str, list[NodeModel]] = defaultdict(list)
    for row in NodeModel.objects.select_related("node", "model").order_by("model__name", "node__name"):
        found[row.model.name].append(row)
    enabled = dict(ModelConfig.objects.order_by().values_list("model_name", "enabled"))
    now = now or timezone.now()
    return [_row(name, rows, enabled, now) for name, rows in found.items()]


def _row(name: str, rows: Sequence[NodeModel], enabled: dict[str, bool], now: datetime) -> ModelRow:
    facts = rows[0].model
    digests: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row.digest and row.installed:
            digests[row.digest].append(row.node.name)
    return ModelRow(
        name=name,
        size_bytes=facts.size_bytes or max(row.size_bytes for row in rows),
        family=facts.family,
        parameter_size=facts.parameter_size,
        quantization=facts.quantization,
        capabilities=facts.capabilities,
        context_length=facts.context_length,
        installed_on=[row.node.name for row in rows if row.installed],
        loaded_on=[row.node.name for row in rows if row.loaded],
        pinned_on=[row.node.name for row in rows if row.pinned],
        enabled=enabled.get(name, True),
        configured=name in enabled,
        differs=len(digests) > 1,
        digests=dict(digests),
        sure=any(_is_sure(row.node, now) for row in rows),
    )


def _is_sure(node: Node, now: datetime) -> bool:
    return freshness(node.listed_at, now=now, limits=limits()) in (Freshness.FRESH, Freshness.STALE)


def model(name: str, *, now: datetime | None = None) -> ModelPayload:
    """Raises NotFound for what is on no node and nothing was decided about, with what it could have been."""
    wanted, now = full_name(name), now or timezone.now()
    rows = list(NodeModel.objects.filter(model__name=wanted).select_related("node", "model").order_by("node__name"))
    enabled = dict(ModelConfig.objects.filter(model_name=wanted).values_list("model_name", "enabled"))
    known = status(wanted)
    if not rows and not enabled:
        raise NotFound(_unknown(known), **known)
    usual = usual_digest(rows)
    return {
        **(_row(wanted, rows, enabled, now) if rows else _nowhere(wanted, enabled)),
        "places": _places(rows, usual, now),
        "status": known,
        "details": _details(usual),
        "listing": fleet_listing(now=now),
    }


def _unknown(known: NameStatusPayload) -> str:
    hint = ""
    if known["others"]:
        hint = f" Installed is {' and '.join(known['others'][:3])}."
    elif known["downloadable"]:
        hint = " It can be pulled."
    elif known["near"]:
        hint = f" Did you mean {' or '.join(known['near'])}?"
    return f"No node has {known['name']}, and nothing is decided about it.{hint}"


def _nowhere(name: str, enabled: dict[str, bool]) -> ModelRow:
    return ModelRow(
        name=name,
        size_bytes=0,
        family="",
        parameter_size="",
        quantization="",
        capabilities=[],
        context_length=None,
        installed_on=[],
        loaded_on=[],
        pinned_on=[],
        enabled=enabled.get(name, True),
        configured=name in enabled,
        differs=False,
        digests={},
        sure=True,
    )


def usual_digest(rows: Iterable[NodeModel]) -> str:
    """What most nodes have; of as many the newest, then the one that sorts first, so that it stays the same."""
    found = [row for row in rows if row.digest]
    counts = Counter(row.digest for row in found)
    newest: dict[str, float] = defaultdict(float)
    for row in found:
        newest[row.digest] = max(newest[row.digest], row.modified_at.timestamp() if row.modified_at else 0.0)
    return min(counts, key=lambda digest: (-counts[digest], -newest[digest], digest), default="")


def _places(rows: Sequence[NodeModel], usual: str, now: datetime) -> list[ModelPlace]:
    names = {row.model.name for row in rows}
    used = (
        NodeVariant.objects.filter(model_name__in=names).order_by().values_list("node_id").annotate(Max("last_used_at"))
    )
    last_used = dict(used)
    return [
        shapes.model_place(
            row,
            status=node_status(row.node),
            listing=node_listing(row.node, now=now),
            same=not row.digest or row.digest == usual,
            last_used_at=last_used.get(row.node_id),
        )
        for row in rows
    ]


def details(name: str) -> DetailsPayload | None:
    """Of the weights that most nodes have under this name."""
    return _details(usual_digest(NodeModel.objects.filter(model__name=full_name(name))))


def _details(digest: str) -> DetailsPayload | None:
    row = details_of(digest)
    return shapes.details(row) if row else None


def node_listing(row: Node, *, now: datetime) -> ListingPayload:
    state = freshness(row.listed_at, now=now, limits=limits())
    looking = row.enabled and is_asked_for(row.listing_wanted_at, row.listing_tried_at)
    return shapes.listing(row, state=state.value, words=age_in_words(row.listed_at, now=now), looking=looking)


def fleet_listing(*, now: datetime | None = None) -> FleetListing:
    """How far what is known of the enabled nodes can be relied on."""
    now = now or timezone.now()
    nodes = [node_listing(row, now=now) for row in Node.objects.filter(enabled=True)]
    state = oldest([Freshness(each["state"]) for each in nodes])
    return FleetListing(state=state.value, looking=any(each["looking"] for each in nodes), nodes=nodes)
