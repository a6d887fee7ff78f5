"""The ages at which a list is fresh, stale and expired, to the minute."""

from datetime import UTC, datetime, timedelta

import pytest

from orchestration.policy.freshness import (
    NOTHING_LEFT,
    Freshness,
    Limits,
    age_in_words,
    freshness,
    is_asked_for,
    oldest,
    why_not_believed,
)

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
LIMITS = Limits(fresh=timedelta(hours=6), stale=timedelta(hours=24))


@pytest.mark.parametrize(
    ("age", "state"),
    [
        (timedelta(0), Freshness.FRESH),
        (timedelta(hours=5, minutes=59), Freshness.FRESH),
        (timedelta(hours=6), Freshness.STALE),
        (timedelta(hours=6, minutes=1), Freshness.STALE),
        (timedelta(hours=23, minutes=59), Freshness.STALE),
        (timedelta(hours=24), Freshness.STALE),
        (timedelta(hours=24, minutes=1), Freshness.EXPIRED),
        (timedelta(minutes=-5), Freshness.FRESH),
    ],
)
def test_a_list_is_fresh_then_stale_then_expired(age, state):
    assert freshness(NOW - age, now=NOW, limits=LIMITS) == state


def test_a_list_that_never_came_is_the_worst():
    assert freshness(None, now=NOW, limits=LIMITS) == Freshness.NEVER
    assert oldest([Freshness.FRESH, Freshness.NEVER, Freshness.EXPIRED]) == Freshness.NEVER
    assert oldest([]) == Freshness.FRESH


def test_no_models_at_all_is_believed_when_it_is_said_twice():
    assert why_not_believed(0, 3, "") == NOTHING_LEFT
    assert why_not_believed(0, 3, "the connection was refused") == NOTHING_LEFT
    assert why_not_believed(0, 3, NOTHING_LEFT) == ""
    assert why_not_believed(0, 0, "") == ""
    assert why_not_believed(1, 3, "") == ""


def test_a_look_is_asked_for_until_it_was_tried():
    early, late = NOW, NOW + timedelta(seconds=1)
    assert is_asked_for(early, None)
    assert is_asked_for(late, early)
    assert not is_asked_for(early, late)
    assert not is_asked_for(None, early)


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(seconds=5), "as of now"),
        (timedelta(minutes=59), "as of 59 min ago"),
        (timedelta(hours=3, minutes=20), "as of 3 h ago"),
        (timedelta(days=9), "as of 9 d ago"),
    ],
)
def test_the_age_is_said_in_words(age, words):
    assert age_in_words(NOW - age, now=NOW) == words


def test_a_list_that_never_came_says_so():
    assert age_in_words(None, now=NOW) == "never listed"
