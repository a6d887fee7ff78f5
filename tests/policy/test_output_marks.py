"""What answers are sorted by, and the marks that stand for it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.policy.output_marks import (
    EVERY,
    KINDS,
    Facts,
    length_of,
    mark,
    marks_of,
    months_between,
)

FACTS = Facts(
    model="llama3.2:latest",
    agent="writer",
    owner=7,
    node="gpu-a",
    type="generate",
    rating=4,
    has_json=True,
    chars=499,
    ended_at=datetime(2026, 11, 20, 12, tzinfo=UTC),
    tags=("sea", "a, b"),
    collections=(3, 12),
)


def test_an_answer_has_its_value_of_every_kind() -> None:
    assert FACTS.values == {
        "model": ["llama3.2:latest"],
        "agent": ["writer"],
        "owner": ["7"],
        "node": ["gpu-a"],
        "type": ["generate"],
        "rating": ["4"],
        "json": ["yes"],
        "length": ["short"],
        "day": ["2026-11-20"],
        "week": ["2026-W47"],
        "month": ["2026-11"],
        "tag": ["sea", "a, b"],
        "collection": ["3", "12"],
    }
    assert set(FACTS.values) == set(KINDS)


def test_what_an_answer_lacks_can_be_asked_for_too() -> None:
    bare = replace(FACTS, owner=None, rating=None, has_json=False, tags=(), collections=())
    assert [bare.values[kind] for kind in ("owner", "rating", "json", "tag", "collection")] == [
        [""],
        ["none"],
        ["no"],
        [],
        [],
    ]


def test_days_are_those_of_utc_wherever_it_ended() -> None:
    late = replace(FACTS, ended_at=datetime(2026, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=2))))
    assert [late.values[kind] for kind in ("day", "month", "week")] == [["2025-12-31"], ["2025-12"], ["2026-W01"]]


@pytest.mark.parametrize(
    ("chars", "name"),
    [
        (0, "short"),
        (499, "short"),
        (500, "medium"),
        (1_999, "medium"),
        (2_000, "long"),
        (7_999, "long"),
        (8_000, "longest"),
    ],
)
def test_a_length_begins_where_the_one_before_it_ends(chars: int, name: str) -> None:
    assert length_of(chars) == name


def test_each_value_has_a_mark_and_every_answer_the_one_of_all() -> None:
    marks = marks_of(FACTS)
    assert marks[0] == EVERY
    assert len(marks) == len(set(marks)) == 1 + sum(len(values) for values in FACTS.values.values())
    assert {mark("tag", "a, b"), mark("collection", "12"), mark("rating", "4")} <= set(marks)


def test_the_same_word_of_two_kinds_has_two_marks() -> None:
    assert len({mark(kind, "x") for kind in KINDS}) == len(KINDS)
    assert mark("tag", "sea") != mark("tag", "Sea")


@given(st.sampled_from(sorted(KINDS)), st.text(st.characters(), max_size=40))
def test_a_mark_is_short_and_plain_whatever_the_value(kind: str, value: str) -> None:
    found = mark(kind, value)
    assert found.isascii()
    assert found.isalnum()
    assert len(found) == 13
    assert found == mark(kind, value) != EVERY


@pytest.mark.parametrize(
    ("since", "until", "months"),
    [
        ("2026-11-01T00:00+00:00", "2026-11-30T23:59+00:00", ["2026-11"]),
        ("2025-12-31T23:59+00:00", "2026-02-01T00:00+00:00", ["2025-12", "2026-01", "2026-02"]),
        ("2026-01-01T00:30+02:00", "2026-01-01T12:00+00:00", ["2025-12", "2026-01"]),
        ("2026-03-01T00:00+00:00", "2026-02-01T00:00+00:00", []),
        ("0009-12-01T00:00+00:00", "0010-01-01T00:00+00:00", ["0009-12", "0010-01"]),
    ],
)
def test_the_months_between_are_those_that_either_end_is_in(since: str, until: str, months: list[str]) -> None:
    assert list(months_between(datetime.fromisoformat(since), datetime.fromisoformat(until))) == months
