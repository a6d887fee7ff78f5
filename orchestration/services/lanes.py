"""The stored summary of each lane: why its next task waits, and when it goes on. Written per lane, never per task."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from orchestration import events
from orchestration.models import Lane
from orchestration.models.rows import Change, update_each
from orchestration.payloads import iso
from orchestration.policy.decision import Waiting
from orchestration.policy.fleet import LaneView
from orchestration.services.fields import cut

REASON_LENGTH = 300
OUTLOOK_EVERY = timedelta(seconds=1)
"""Numbers alone, which change with every pass, are not written more often."""


@transaction.atomic
def explain(*, waiting: Mapping[int, Waiting], lanes: Mapping[int, LaneView], now: datetime) -> None:
    """Stores what changed and tells whoever watches."""
    changed: dict[int, str] = {}
    rows: list[Change] = []
    stored = Lane.objects.filter(Q(pk__in=waiting) | ~Q(waiting_code=""))
    for pk, code, words, outlook in stored.values_list("pk", "waiting_code", "waiting_reason", "outlook"):
        found = waiting.get(pk)
        fresh = _fields(found, lanes.get(pk), now)
        same = (code, words) == (fresh["waiting_code"], fresh["waiting_reason"])
        if same and not _is_due(outlook, fresh["outlook"], now):
            continue
        rows.append(({"id": pk}, fresh))
        if not same:
            changed[pk] = fresh["waiting_reason"]
    update_each(Lane, rows)
    if changed:
        events.on_commit(("lanes", {str(pk): reason for pk, reason in changed.items()}))


def _fields(found: Waiting | None, lane: LaneView | None, now: datetime) -> dict[str, Any]:
    if found is None:
        return {"waiting_code": "", "waiting_reason": "", "outlook": {}}
    outlook = {
        "at": iso(now),
        "counts": {str(priority): queue.count for priority, queue in lane.queues.items()} if lane else {},
        "next_seconds": found.next_seconds,
        "per_second": found.per_second,
        "at_once": found.at_once,
        "since": iso(found.since),
        "expected_seconds": found.expected_seconds,
    }
    return {"waiting_code": found.code, "waiting_reason": cut(found.words, REASON_LENGTH), "outlook": outlook}


def _is_due(old: dict[str, Any], new: dict[str, Any], now: datetime) -> bool:
    if not old or not new:
        return bool(old) != bool(new)
    changed = {**old, "at": None} != {**new, "at": None}
    return changed and now - datetime.fromisoformat(old["at"]) >= OUTLOOK_EVERY
