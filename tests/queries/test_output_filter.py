"""The grammar of the search over answers: read from addresses, refused in words, and written back."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from orchestration.errors import InvalidInput
from orchestration.models import User
from orchestration.policy.output_marks import KINDS
from orchestration.queries.output_filter import OutputFilter, owner_ids
from orchestration.queries.search import newest


def asked(query: str = "") -> OutputFilter:
    return OutputFilter.from_query(QueryDict(query))


def test_several_values_come_repeated_or_with_commas() -> None:
    found = asked("model=a&model=b,+c+,,&rating=5,none")
    assert found.kinds == {"model": frozenset("abc"), "rating": frozenset({"5", "none"})}


def test_a_tag_may_have_a_comma() -> None:
    assert asked("tag=x,y&tag=z").tag == {"x,y", "z"}


def test_every_kind_is_a_filter_and_what_pages_add_is_none() -> None:
    values = {"rating": "5", "json": "no", "length": "short", "collection": "3"}
    found = asked("&".join(f"{kind}={values.get(kind, 'x')}" for kind in KINDS))
    assert set(found.kinds) == set(KINDS)
    assert asked("limit=5&cursor=n1&page=2&format=csv&open=3&facets=false") == OutputFilter()


@pytest.mark.parametrize("query", ["", "q=", "q=+++", "model=", "model=,,&tag=+", "sort=newest", "since=", "q=%22%22"])
def test_what_asks_for_nothing_leaves_nothing_out(query: str) -> None:
    assert not asked(query).narrows


@pytest.mark.parametrize("query", ["q=a", "q=-a", "model=a", "since=2026-11-01", "until=2026-11-01"])
def test_whatever_is_asked_for_narrows(query: str) -> None:
    assert asked(query).narrows


@pytest.mark.parametrize(
    ("query", "order"),
    [
        ("", "newest"),
        ("q=a", "relevance"),
        ("q=-a", "newest"),
        ("sort=relevance", "newest"),
        ("q=a&sort=newest", "newest"),
        ("sort=rating", "rating"),
        ("q=a&sort=rating", "rating"),
    ],
)
def test_the_best_comes_first_where_there_is_something_to_compare_by(query: str, order: str) -> None:
    assert asked(query).order == order


@pytest.mark.parametrize(
    ("query", "since", "until"),
    [
        ("since=2026-11-20&until=2026-11-20", "2026-11-20T00:00+00:00", "2026-11-21T00:00+00:00"),
        ("since=2026-11-20T10:00&until=2026-11-20T10:00Z", "2026-11-20T10:00+00:00", "2026-11-20T10:00+00:00"),
        ("since=2026-11-20T10:00%2B02:00", "2026-11-20T08:00+00:00", None),
    ],
)
def test_a_day_is_all_of_it_and_a_time_without_a_zone_is_utc(query: str, since: str, until: str | None) -> None:
    found = asked(query)
    assert found.since == datetime.fromisoformat(since)
    assert found.until == (datetime.fromisoformat(until) if until else None)


@pytest.mark.parametrize(
    "query", ["since=0001-01-01T00:00%2B14:00", "until=9999-12-31", "until=9999-12-31T23:00-14:00"]
)
def test_a_time_that_no_clock_of_ours_shows_is_refused(query: str) -> None:
    with pytest.raises(InvalidInput, match="is a day or a time"):
        asked(query)


@pytest.mark.parametrize(
    "query",
    [
        "colour=red",
        "sort=oldest",
        "rating=7",
        "length=huge",
        "json=perhaps",
        "since=yesterday",
        "collection=x",
        "q=a%00",
    ],
)
def test_what_is_no_filter_is_refused_in_words(db, query):
    with pytest.raises(InvalidInput):
        asked(query)


def test_an_unknown_filter_is_answered_with_the_right_one() -> None:
    with pytest.raises(InvalidInput, match="Did you mean model") as caught:
        asked("modell=a")
    assert caught.value.detail["filter"] == "modell"
    with pytest.raises(InvalidInput, match="Filters are agent, collection, day"):
        asked("zzz=1")


def test_one_kind_can_be_left_out() -> None:
    found = asked("q=a&model=b&tag=c")
    assert found.without("model") == asked("q=a&tag=c")
    assert found.without("node") == found


def test_a_filter_is_the_same_after_a_round_trip():
    query = "q=a+%22b+c%22&sort=newest&since=2026-11-01&model=a%3Ab&rating=5&rating=none&tag=x%2Cy"
    assert asked(asked(query).to_query()) == asked(query)


MOMENTS = st.integers(0, 2**37).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
PLAIN = st.text("abcÄ :/&=+%#\"'", min_size=1, max_size=8).map(str.strip).filter(bool)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "text": PLAIN,
    "sort": st.sampled_from(["relevance", "newest", "rating"]),
    "since": MOMENTS,
    "until": MOMENTS,
    "model": st.frozensets(PLAIN, min_size=1, max_size=3),
    "tag": st.frozensets(st.just("a, b") | PLAIN, min_size=1, max_size=3),
    "collection": st.frozensets(st.integers(0, 10**9).map(str), min_size=1, max_size=3),
}


@given(st.fixed_dictionaries({}, optional=FIELDS))
def test_whatever_is_asked_can_be_written_into_an_address(fields: dict[str, Any]) -> None:
    found = OutputFilter(**fields)
    assert asked(found.to_query()) == found


def test_owners_are_known_by_their_ids_and_strangers_have_no_answers(bob: User, carol: User) -> None:
    assert sorted(owner_ids(frozenset({"bob", "carol", "erin"}))) == sorted([str(bob.pk), str(carol.pk)])
    assert owner_ids(frozenset({"erin"})) == ["nobody"]


def test_since_has_its_moment_and_until_has_not(fish: list[int]) -> None:
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert set(newest(OutputFilter(since=noon), 10)) == set(fish[:3])
    assert set(newest(OutputFilter(until=noon), 10)) == {fish[3]}
