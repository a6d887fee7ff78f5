"""Whether and when a failed attempt is tried again."""

from dataclasses import dataclass
from datetime import timedelta

_DOUBLINGS = 64
"""More would overflow; the longest delay is reached long before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """``max_tries`` counts the first one. The delay doubles with each try and is spread by up to half of itself."""

    max_tries: int
    first_delay: timedelta = timedelta(seconds=1)
    growth: float = 2.0
    longest_delay: timedelta = timedelta(minutes=5)


def next_delay(policy: RetryPolicy, *, tries: int, retryable: bool, spread: float) -> timedelta | None:
    """How long to wait before the next try; None when there is none.

    ``tries``: how many have been made, this one included. ``spread``: a random number from 0 to 1, so that tasks that
    failed together do not come back together.
    """
    if not retryable or tries >= policy.max_tries:
        return None
    grown = policy.first_delay.total_seconds() * policy.growth ** min(tries - 1, _DOUBLINGS)
    delay = timedelta(seconds=min(grown, policy.longest_delay.total_seconds()))
    return delay * (1 + spread / 2)
