"""How old a list of what is installed may be, and which answers are believed in place of an earlier one."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

NOTHING_LEFT: Final = "It told of no models at all, though it had some: it is asked once more before that is believed."


class Freshness(StrEnum):
    FRESH = "fresh"
    STALE = "stale"  # shown, and looked at again meanwhile
    EXPIRED = "expired"  # looked at again before it is relied on
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Younger than ``fresh`` is fresh, older than ``stale`` is expired, stale is what lies between."""

    fresh: timedelta
    stale: timedelta


def freshness(listed_at: datetime | None, *, now: datetime, limits: Limits) -> Freshness:
    if listed_at is None:
        return Freshness.NEVER
    age = now - listed_at
    if age < limits.fresh:
        return Freshness.FRESH
    return Freshness.STALE if age <= limits.stale else Freshness.EXPIRED


def oldest(states: Collection[Freshness]) -> Freshness:
    """The worst of several lists; fresh where there is none."""
    order = list(Freshness)
    return max(states, key=order.index, default=Freshness.FRESH)


def is_asked_for(wanted_at: datetime | None, tried_at: datetime | None) -> bool:
    """Whether somebody waits for a look that has not been tried yet."""
    return wanted_at is not None and (tried_at is None or tried_at < wanted_at)


def why_not_believed(listed: int, before: int, last_error: str) -> str:
    """Why a list that could be read is not taken over; empty when it is. A server that starts with its disk not yet
    there tells of no models: that is believed when it says so twice."""
    return NOTHING_LEFT if before and not listed and last_error != NOTHING_LEFT else ""


def age_in_words(listed_at: datetime | None, *, now: datetime) -> str:
    """``as of 3 h ago``; ``as of now`` below a minute."""
    if listed_at is None:
        return "never listed"
    seconds = max(0.0, (now - listed_at).total_seconds())
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"as of {int(seconds // size)} {unit} ago"
    return "as of now"
