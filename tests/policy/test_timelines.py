"""Timelines: spans that fill the range, and the part of the known time in which a node answered."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.policy.states import NodeHealth
from orchestration.policy.timelines import Change, timeline

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def at(hours: float, health: str, reason: str = "") -> Change:
    return Change(at=NOON + hours * HOUR, health=health, reason=reason)


def of(*changes: Change):
    return timeline(changes, since=NOON, until=NOON + 4 * HOUR)


def test_how_it_began_is_told_by_the_last_change_before():
    found = of(at(-9, "unhealthy"), at(-1, "healthy"), at(3, "unhealthy", "connection refused"))
    assert [(span.health, span.reason, span.share) for span in found.spans] == [
        ("healthy", "", 0.75),
        ("unhealthy", "connection refused", 0.25),
    ]
    assert (found.reachable, found.outages) == (0.75, 1)


def test_time_of_which_nothing_is_known_counts_neither_way():
    found = of(at(2, "healthy"), at(3, "unknown", "disabled by ana"))
    assert [span.health for span in found.spans] == ["unknown", "healthy", "unknown"]
    assert found.reachable == 1.0


def test_without_any_change_nothing_is_known():
    found = of()
    assert [(span.health, span.start, span.share) for span in found.spans] == [("unknown", 0.0, 1.0)]
    assert found.reachable is None


def test_an_outage_that_began_before_the_range_is_not_counted_as_another():
    assert of(at(-1, "unhealthy"), at(1, "healthy")).outages == 0


def test_what_comes_after_the_range_is_left_out():
    assert len(of(at(-1, "healthy"), at(5, "unhealthy")).spans) == 1


@given(st.lists(st.tuples(st.floats(-5, 9), st.sampled_from(list(NodeHealth)))))
def test_the_spans_fill_the_range_without_a_gap(changes):
    found = of(*(at(hours, health) for hours, health in changes))
    assert sum(span.share for span in found.spans) == pytest.approx(1)
    assert found.spans[0].since == NOON
    assert found.spans[-1].until == NOON + 4 * HOUR
    assert all(one.until == other.since for one, other in zip(found.spans, found.spans[1:], strict=False))
