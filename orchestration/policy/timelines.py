"""A node's reachability over a range of time, as spans, from the moments at which it changed."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestration.policy.states import NodeHealth


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    at: datetime
    health: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """``start`` and ``share`` are parts of the whole range, from 0 to 1."""

    health: str
    reason: str
    since: datetime
    until: datetime
    start: float
    share: float

    @property
    def duration(self) -> timedelta:
        return self.until - self.since


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """``reachable``: the part of the known time, None where nothing is known of the range. ``outages``: how often it
    stopped answering."""

    spans: tuple[Span, ...]
    reachable: float | None
    outages: int


def timeline(changes: Iterable[Change], *, since: datetime, until: datetime) -> Timeline:
    """``changes`` in any order, also from before the range: the last of these tells how it began."""
    ordered = sorted(changes, key=lambda change: change.at)
    before = [change for change in ordered if change.at <= since]
    within = [change for change in ordered if since < change.at < until]
    first = before[-1] if before else Change(at=since, health=NodeHealth.UNKNOWN)
    moments = [first, *within]
    whole = (until - since) / timedelta(seconds=1)
    spans: list[Span] = []
    for change, end in zip(moments, [*(change.at for change in within), until], strict=True):
        begin = max(change.at, since)
        start, share = (begin - since).total_seconds() / whole, (end - begin).total_seconds() / whole
        spans.append(Span(health=change.health, reason=change.reason, since=begin, until=end, start=start, share=share))
    up, down = (sum(span.share for span in spans if span.health == kind) for kind in _KNOWN)
    outages = sum(change.health == NodeHealth.UNHEALTHY for change in within)
    return Timeline(spans=tuple(spans), reachable=up / (up + down) if up + down else None, outages=outages)


_KNOWN = (NodeHealth.HEALTHY, NodeHealth.UNHEALTHY)
