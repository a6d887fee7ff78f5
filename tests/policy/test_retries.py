"""Whether and when a failed attempt is tried again."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.policy.retries import RetryPolicy, next_delay

POLICY = RetryPolicy(max_tries=3)


def test_an_error_that_will_be_repeated_is_not_tried_again() -> None:
    assert next_delay(POLICY, tries=1, retryable=False, spread=0) is None


def test_the_last_try_is_the_last() -> None:
    assert next_delay(POLICY, tries=2, retryable=True, spread=0) is not None
    assert next_delay(POLICY, tries=3, retryable=True, spread=0) is None
    assert next_delay(RetryPolicy(max_tries=1), tries=1, retryable=True, spread=0) is None


@pytest.mark.parametrize(("tries", "seconds"), [(1, 1), (2, 2), (3, 4), (4, 8)])
def test_the_delay_doubles(tries: int, seconds: int) -> None:
    policy = RetryPolicy(max_tries=10)
    assert next_delay(policy, tries=tries, retryable=True, spread=0) == timedelta(seconds=seconds)


def test_chance_spreads_the_delay_by_up_to_half() -> None:
    assert next_delay(POLICY, tries=1, retryable=True, spread=1) == timedelta(seconds=1.5)


@given(tries=st.integers(1, 500), spread=st.floats(0, 1), first=st.floats(0, 600))
def test_a_delay_is_never_negative_nor_endless(tries: int, spread: float, first: float) -> None:
    policy = RetryPolicy(max_tries=1000, first_delay=timedelta(seconds=first))
    delay = next_delay(policy, tries=tries, retryable=True, spread=spread)
    assert delay is not None
    assert timedelta(0) <= delay <= policy.longest_delay * 1.5
