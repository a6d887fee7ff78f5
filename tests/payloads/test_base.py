"""Times and owners as every shape tells them."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.models import Agent, Run, Task, User
from orchestration.payloads.base import iso, owner_name, stamp
from tests.payloads.conftest import AT, SENT

ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=ZONES)  # noqa: DTZ001 (bounds have no zone)


def test_a_moment_leaves_in_utc_whatever_clock_it_was_read_from():
    assert stamp(AT) == stamp(AT.astimezone(UTC)) == SENT


def test_a_full_second_is_written_as_long_as_any_other():
    assert stamp(datetime(2026, 3, 1, tzinfo=UTC)) == "2026-03-01T00:00:00.000Z"


@settings(deadline=None)
@given(MOMENTS)
def test_a_stamp_can_be_read_back_to_the_millisecond(at: datetime):
    text = stamp(at)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    assert timedelta() <= at - datetime.fromisoformat(text) < timedelta(milliseconds=1)


@settings(deadline=None)
@given(st.lists(MOMENTS, min_size=2))
def test_stamps_sort_like_the_moments_they_stand_for(moments: list[datetime]):
    assert [stamp(at) for at in sorted(moments)] == sorted(map(stamp, moments))


def test_what_has_not_happened_has_no_time():
    assert iso(None) is None
    assert iso(AT) == SENT


@pytest.mark.parametrize("kind", [Task, Run, Agent])
def test_an_owner_is_a_name_or_nobody(kind: type[Task | Run | Agent], person: User):
    assert owner_name(kind(owner=person)) == "bob"
    assert owner_name(kind()) is None
