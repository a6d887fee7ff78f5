"""Lists of what is on the nodes' disks: which answers are taken over, and who asked for a fresh one."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from orchestration.models import Node
from orchestration.ollama.wire import InstalledModel
from orchestration.permissions import Action, Actor, require
from orchestration.policy.freshness import Limits, why_not_believed
from orchestration.policy.states import NodeHealth
from orchestration.services import audit
from orchestration.services.announce import announce_node

REMEMBERED_FOR = timedelta(seconds=30)
"""Whoever reads an old list asks for a new one, but not again and again of a node that does not answer."""


def take(
    node: Node,
    *,
    installed: Sequence[InstalledModel] | None,
    error: str,
    at: datetime,
    began: datetime | None = None,
) -> Sequence[InstalledModel] | None:
    """The list that is to be taken over; None keeps what is known, also where a later one was taken meanwhile, as
    after a pull. The caller saves the node."""
    if (installed is None and not error) or (began and node.listed_at and began < node.listed_at):
        return None
    error = error or _doubt(node, installed or ())
    node.listing_tried_at = began or at  # a wish that came while it was tried is still one
    node.listing_error = error[:300]
    if node.listing_wanted_at and not (began and began < node.listing_wanted_at):
        node.listing_wanted_at = None
    if error:
        return None
    node.listed_at = at
    return installed


def _doubt(node: Node, installed: Sequence[InstalledModel]) -> str:
    before = 0 if installed else node.node_models.filter(installed=True).count()
    return why_not_believed(len(installed), before, node.listing_error)


@transaction.atomic
def ask(*, actor: Actor, node_ids: Collection[int] | None = None) -> list[Node]:
    """A fresh list of these nodes, or of all, as soon as the monitor comes round: within two seconds or so."""
    require(actor, Action.REFRESH_MODELS)
    chosen = Node.objects.select_for_update(no_key=True).filter(enabled=True)
    rows = list(chosen if node_ids is None else chosen.filter(pk__in=node_ids))
    now = timezone.now()
    for node in rows:
        node.listing_wanted_at = now
        node.save(update_fields=["listing_wanted_at"])
        audit.record(actor, "node.list_asked_for", node)
        announce_node(node)
    return rows


def ask_where_old(*, limits: Limits, now: datetime) -> int:
    """Of nodes whose list is no longer fresh, unless that was tried just now; for whoever reads them."""
    enabled = Node.objects.filter(enabled=True, listing_wanted_at=None)
    old = enabled.filter(Q(listed_at=None) | Q(listed_at__lte=now - limits.fresh))
    due = old.filter(Q(listing_tried_at=None) | Q(listing_tried_at__lt=now - REMEMBERED_FOR))
    if not due.exists():  # most of the time; a read must not wait for the one writer
        return 0
    return due.update(listing_wanted_at=now, version=F("version") + 1)


def ask_at(*, node_ids: Collection[int], now: datetime) -> int:
    """Of these nodes, for whoever wants to know more of what is on them."""
    idle = Node.objects.filter(enabled=True, listing_wanted_at=None, pk__in=node_ids)
    return idle.update(listing_wanted_at=now, version=F("version") + 1)


def awaited(*, limits: Limits, now: datetime) -> bool:
    """Whether an expired list is being fetched from a node that may answer."""
    reachable = Node.objects.filter(enabled=True, listing_wanted_at__isnull=False).exclude(health=NodeHealth.UNHEALTHY)
    return reachable.filter(Q(listed_at=None) | Q(listed_at__lt=now - limits.stale)).exists()
