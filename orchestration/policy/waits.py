"""Times to the first token in buckets of fixed bounds, so that those of many moments and places can be added up."""

from bisect import bisect_left
from collections.abc import Sequence

FIRST_MILLISECONDS = 10.0
BOUNDS = tuple(FIRST_MILLISECONDS * 2 ** (step / 2) for step in range(33))
"""Upper bounds, half an octave apart, from 10 ms to 11 minutes; one more bucket takes what is longer."""
BUCKETS = len(BOUNDS) + 1


def bucket_of(milliseconds: float) -> int:
    return bisect_left(BOUNDS, milliseconds)


def quantile(counts: Sequence[float], share: float, buckets: Sequence[int] = range(BUCKETS)) -> float | None:
    """Seconds below which that share of them lies, as if they lay evenly in their bucket. None: there are none.

    ``buckets``: those that are counted, the shortest first."""
    total = sum(counts)
    if not total:
        return None
    wanted, before = share * total, 0.0
    for bucket, count in zip(buckets, counts, strict=True):
        if count and before + count >= wanted:
            return _within(bucket, (wanted - before) / count)
        before += count
    return BOUNDS[-1] / 1000


def _within(bucket: int, share: float) -> float:
    low = BOUNDS[bucket - 1] if bucket else 0.0
    high = BOUNDS[bucket] if bucket < len(BOUNDS) else BOUNDS[-1]
    return (low + (high - low) * share) / 1000
