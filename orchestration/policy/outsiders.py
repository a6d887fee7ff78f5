"""Other people's requests to a node, noticed by comparing two looks at what it has in memory.

A server tells neither who asks nor how much. What gives others away: a model comes or goes, changes its context, or
has the end of its keep-alive moved, and it was not us.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta

BUSY_FOR = timedelta(seconds=60)
"""So long a model counts as used by others after a sign of it."""
RESERVED_FOR = timedelta(minutes=10)
"""So long memory that was taken from us at most stays free for a model that has not come yet."""
MOVED = timedelta(seconds=1)
"""A keep-alive that ends later than this beyond what was seen before was started anew."""
LEEWAY = timedelta(seconds=5)
"""Between two clocks, and between the end of a call here and there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """A model in memory as a look shows it. Old servers do not tell the context."""

    num_ctx: int | None = None
    expires_at: datetime | None = None
    size_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """What Drover did on the node since the look before. ``used``: models it sent requests to; ``in_flight``: those
    it has requests to now. ``loads``: models it loaded, or is loading; it makes room for them by itself."""

    used: Set[str] = frozenset()
    in_flight: Set[str] = frozenset()
    loads: Set[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """``busy``: models others use. ``arrived``: those of them that they have loaded. ``taken_bytes``: memory that was
    taken from idle models for one that is not there yet."""

    busy: Set[str] = field(default_factory=frozenset)
    arrived: Set[str] = field(default_factory=frozenset)
    taken_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """Memory that stays free for models of others, and until when at most."""

    size_bytes: int = 0
    until: datetime | None = None


def compare(before: Mapping[str, Sight] | None, after: Mapping[str, Sight], ours: Ours, at: datetime) -> Findings:
    """``before`` is None where the last look is too old, or the node did not answer in between."""
    not_ours = {name: sight for name, sight in after.items() if name not in ours.used | ours.in_flight | ours.loads}
    busy = {name for name, sight in not_ours.items() if _overdue(sight, at)}
    if before is None:
        return Findings(busy=busy)
    arrived = not_ours.keys() - before.keys()
    busy |= arrived | {name for name in not_ours.keys() & before.keys() if _moved(before[name], not_ours[name])}
    return Findings(busy=busy, arrived=arrived, taken_bytes=0 if arrived else _taken(before, after, ours, at))


def reserve(before: Reserved, findings: Findings, *, loaded_at: datetime | None, at: datetime) -> Reserved:
    """Memory that others are about to need is theirs until they have it, or until they were seen not to come: a server
    loads one model at a time, so after a load of ours nobody else's is under way any more. ``loaded_at``: of the last
    load of ours."""
    kept = before
    if before.until is not None:
        ours_since = loaded_at is not None and loaded_at > before.until - RESERVED_FOR
        if findings.arrived or ours_since or before.until <= at:
            kept = Reserved()
    if findings.taken_bytes:
        return Reserved(size_bytes=kept.size_bytes + findings.taken_bytes, until=at + RESERVED_FOR)
    return kept


def _overdue(sight: Sight, at: datetime) -> bool:
    """A model whose time is over is still there only because a request is running: while one does, time stands."""
    return sight.expires_at is not None and sight.expires_at < at - LEEWAY


def _moved(before: Sight, after: Sight) -> bool:
    """A request of somebody ended, is the first of all and running, or reloaded the model with another context."""
    reloaded = None not in (before.num_ctx, after.num_ctx) and before.num_ctx != after.num_ctx
    if before.expires_at is None or after.expires_at is None:
        return reloaded
    return reloaded or after.expires_at > before.expires_at + MOVED


def _taken(before: Mapping[str, Sight], after: Mapping[str, Sight], ours: Ours, at: datetime) -> int:
    """Bytes. A model goes for a load of ours, when its time is over, or when its runner dies with requests in it; if
    several went and none is left, the server was started anew. Otherwise it was evicted for somebody."""
    gone = before.keys() - after.keys()
    if ours.loads or (not after and (len(gone) > 1 or gone & ours.in_flight)):
        return 0
    evicted = [before[name] for name in gone - ours.in_flight if _had_time_left(before[name], at)]
    return sum(sight.size_bytes for sight in evicted)


def _had_time_left(sight: Sight, at: datetime) -> bool:
    return sight.expires_at is not None and sight.expires_at > at + LEEWAY
