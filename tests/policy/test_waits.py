"""Waits in buckets: nothing lies outside, sums of buckets are buckets of sums, and quantiles are near the true ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.policy.waits import BOUNDS, BUCKETS, bucket_of, quantile

Waits = st.lists(st.floats(min_value=0, max_value=2_000_000), min_size=1, max_size=200)


def _counted(waits: list[float]) -> list[float]:
    counts = [0.0] * BUCKETS
    for wait in waits:
        counts[bucket_of(wait)] += 1
    return counts


def test_without_a_wait_there_is_no_quantile():
    assert quantile([0.0] * BUCKETS, 0.5) is None


@pytest.mark.parametrize(("milliseconds", "bucket"), [(0, 0), (10, 0), (10.1, 1), (BOUNDS[-1], BUCKETS - 2), (1e9, 33)])
def test_a_bound_belongs_to_the_bucket_below_it(milliseconds: float, bucket: int):
    assert bucket_of(milliseconds) == bucket


def test_what_is_longer_than_the_last_bound_is_told_as_the_last_bound():
    assert quantile(_counted([1e9]), 0.95) == BOUNDS[-1] / 1000


@given(Waits, st.sampled_from([0.5, 0.95]))
def test_a_quantile_lies_in_the_bucket_of_the_true_one(waits: list[float], share: float):
    found = quantile(_counted(waits), share)
    ordered = sorted(waits)
    true = ordered[max(0, -int(-share * len(ordered) // 1) - 1)]
    bucket = bucket_of(true)
    low = BOUNDS[bucket - 1] if bucket else 0.0
    high = BOUNDS[bucket] if bucket < len(BOUNDS) else BOUNDS[-1]
    assert found is not None
    assert low - 1e-6 <= found * 1000 <= high + 1e-6
