"""What waits, lane by lane: the reason, how many, and when it goes on. As of the scheduler's last pass."""

from datetime import datetime, timedelta

from django.utils import timezone
from typing_extensions import TypedDict

from orchestration.models import Lane
from orchestration.policy import outlook
from orchestration.policy.decision import Waits
from orchestration.policy.fleet import COUNTED
from orchestration.policy.states import Priority

STALE = timedelta(seconds=30)
"""A summary whose numbers have not moved for so long says nothing about the future."""


class WaitingLane(TypedDict):
    """``counts`` by priority, ``capped`` where more wait than are counted. ``moves``: when its next task may start, in
    words; empty while nobody knows. ``node``: the only one that may run them."""

    lane_id: int
    agent: str | None
    agent_id: int | None
    type: str
    models: list[str]
    node: str | None
    code: str
    words: str
    moves: str
    count: int
    counts: dict[str, int]
    capped: bool
    since: str | None
    expected_seconds: float | None


def waiting_lanes(*, limit: int = 8, now: datetime | None = None) -> list[WaitingLane]:
    """Those with most tasks first. One query."""
    now = now or timezone.now()
    rows = Lane.objects.exclude(waiting_code="").select_related("agent", "node")
    return sorted((_lane(row, now) for row in rows), key=lambda lane: (-lane["count"], lane["lane_id"]))[:limit]


def _lane(row: Lane, now: datetime) -> WaitingLane:
    summary = row.outlook or {}
    counts: dict[str, int] = summary.get("counts", {})
    return WaitingLane(
        lane_id=row.pk,
        agent=row.agent.name if row.agent else None,
        agent_id=row.agent_id,
        type=row.type,
        models=row.models,
        node=row.node.name if row.node else None,
        code=row.waiting_code,
        words=row.waiting_reason,
        moves=_moves(row, now),
        count=sum(counts.values()),
        counts={Priority(int(key)).name.lower(): count for key, count in counts.items()},
        capped=any(count >= COUNTED for count in counts.values()),
        since=summary.get("since"),
        expected_seconds=summary.get("expected_seconds"),
    )


def _moves(row: Lane, now: datetime) -> str:
    """Of its first task."""
    start = outlook.expected_start(outlook.Ahead(least=0, most=0), pace_of(row, now))
    return "" if row.waiting_code == Waits.PAUSED else outlook.start_words(start)


def pace_of(row: Lane, now: datetime) -> outlook.Pace | None:
    """None where no speed is known, or where the summary has not moved for so long that it says nothing any more."""
    summary = row.outlook or {}
    passed = (now - datetime.fromisoformat(summary["at"])).total_seconds() if summary.get("at") else 0.0
    if passed >= STALE.total_seconds():
        return None
    next_seconds, per_second = summary.get("next_seconds"), summary.get("per_second")
    return outlook.pace(next_seconds, per_second, at_once=summary.get("at_once"), passed=passed)
