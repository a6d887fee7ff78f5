"""What others do on a node, as far as two looks at it tell: noted for the scheduler, which keeps out of their way."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from django.conf import settings

from orchestration.models import Attempt, LoadPlan, Node, NodeModel, NodeVariant
from orchestration.policy.outsiders import BUSY_FOR, LEEWAY, Ours, Reserved, Sight, compare, reserve

FRESH = timedelta(seconds=30)
"""What was seen longer ago than this says nothing about who did what since."""


def in_memory(node: Node) -> dict[str, NodeModel]:
    """What the node was last seen to have there, by the name that the server lists."""
    rows = node.node_models.filter(loaded=True, listed_as="").select_related("model")
    return {row.model.name: row for row in rows}


def notice(node: Node, before: Mapping[str, NodeModel], *, at: datetime, since: datetime | None) -> None:
    """To be called when what was seen is recorded, with the node locked; the caller saves it.

    ``before``: what was in memory at the look before. ``since``: when that was, if the node has answered all the time.
    """
    after = in_memory(node)
    comparable = since is not None and at - since <= FRESH
    ours, loaded_at = _ours(node, (since or at) - LEEWAY)
    findings = compare(_sights(before) if comparable else None, _sights(after), ours, at)
    _mark_busy(node, [after[name] for name in sorted(findings.busy)], at)
    before_this = Reserved(size_bytes=node.reserved_bytes, until=node.reserved_until)
    reserved = reserve(before_this, findings, loaded_at=loaded_at, at=at)
    node.reserved_bytes, node.reserved_until = reserved.size_bytes, reserved.until


def _sights(rows: Mapping[str, NodeModel]) -> dict[str, Sight]:
    return {
        name: Sight(num_ctx=row.loaded_context, expires_at=row.expires_at, size_bytes=row.vram_bytes or 0)
        for name, row in rows.items()
    }


def _ours(node: Node, since: datetime) -> tuple[Ours, datetime | None]:
    """What Drover did there since then, and when it last loaded something.

    Asked in the order in which attempts go on, so that none slips through: live, then ended, then settled. Not by
    node: SQLite would read all that ever ran there.
    """
    live = Attempt.objects.filter(ended_at=None).order_by().values_list("node_id", "model_name")
    in_flight = {model for node_id, model in live if node_id == node.pk}
    ended = Attempt.objects.filter(ended_at__isnull=False, settled=False).order_by()
    used = {model for node_id, model in ended.values_list("node_id", "model_name") if node_id == node.pk}
    variants = list(node.variants.all())
    used |= {it.model_name for it in variants if it.last_used_at and it.last_used_at >= since}
    loads = {it.model_name for it in variants if it.loaded_at and it.loaded_at >= since}
    begun = LoadPlan.objects.filter(pk=node.pk).exclude(loading_since=None)
    loads |= set(begun.values_list("model_name", flat=True))
    listed_as = dict(node.node_models.exclude(listed_as="").values_list("model__name", "listed_as"))
    names = [{*models, *(listed_as[it] for it in models if it in listed_as)} for models in (used, in_flight, loads)]
    ours = Ours(used=names[0], in_flight=names[1], loads=names[2])
    return ours, max((it.loaded_at for it in variants if it.loaded_at), default=None)


def _mark_busy(node: Node, rows: Iterable[NodeModel], at: datetime) -> None:
    variants = [
        NodeVariant(
            node=node,
            model_name=row.model.name,
            num_ctx=row.loaded_context or settings.DROVER_DEFAULT_NUM_CTX,
            size_bytes=row.loaded_bytes,
            outside_until=at + BUSY_FOR,
        )
        for row in rows
    ]
    unique = ["node", "model_name", "num_ctx"]
    NodeVariant.objects.bulk_create(
        variants, update_conflicts=True, unique_fields=unique, update_fields=["outside_until"]
    )
