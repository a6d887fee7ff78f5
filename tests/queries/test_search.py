"""Searches over answers: what they find, in which order, how it is counted."""

import pytest
from django.http import QueryDict

from orchestration.models import User
from orchestration.queries import search as module
from orchestration.queries.output_filter import OutputFilter
from orchestration.queries.outputs import search
from orchestration.queries.search import counts
from orchestration.services import collections


def asked(query: str = "") -> OutputFilter:
    return OutputFilter.from_query(QueryDict(query))


def ids(query: str) -> list[int]:
    return [row["id"] for row in search(asked(query))["outputs"]]


def test_everything_is_there_newest_first(fish):
    assert ids("") == fish[::-1]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("q=fish", {0, 1, 2}),
        ("q=fish+-red", {2}),
        ("q=%22red+fish%22", {0}),
        ("q=pik*", {2}),
        ("model=qwen3:8b", {2}),
        ("model=qwen3:8b,llama3.2:latest&agent=coder", {2}),
        ("tag=sea", {0}),
        ("json=yes", {2}),
        ("length=medium", {1}),
        ("month=2026-10", {3}),
        ("week=2026-W47", {0, 1, 2}),
        ("day=2026-11-20&q=red", {0, 1}),
        ("owner=bob", {0, 1, 2, 3}),
        ("owner=nobody", set()),
        ("since=2026-11-01", {0, 1, 2}),
        ("until=2026-10-31&q=name", {3}),
        ("type=generate&node=gpu-z", set()),
    ],
)
def test_filters_and_words_narrow_it(fish, query, expected):
    assert set(ids(query)) == {fish[number] for number in expected}


def test_the_best_match_comes_first_and_older_ones_can_be_asked_for(fish):
    assert ids("q=red")[0] == fish[0]
    assert ids("q=red&sort=newest")[0] == fish[1]


def test_facets_count_what_was_found_and_their_own_kind_as_if_it_were_not_asked(fish):
    facets = counts(asked("model=qwen3:8b")).facets
    assert dict(facets["model"]) == {"llama3.2:latest": 3, "qwen3:8b": 1}
    assert dict(facets["agent"]) == {"coder": 1}
    assert dict(facets["json"]) == {"yes": 1, "no": 0}
    assert counts(asked("model=qwen3:8b")).total == 1


def test_the_sums_of_kinds_that_all_have_are_the_total(fish):
    found = counts(asked("q=fish"))
    for kind in ("model", "agent", "owner", "rating", "month", "week", "day", "json", "length", "type"):
        assert sum(number for _, number in found.facets[kind]) == found.total == 3
    assert found.facets["tag"] == [("sea", 1)]
    assert [month for month, _ in counts(asked()).facets["month"]] == ["2026-11", "2026-10"]


def test_very_many_are_counted_up_to_a_bound(fish, monkeypatch):
    monkeypatch.setattr(module, "COUNTED", 2)
    found = counts(asked("q=fish"))
    assert (found.total, found.is_whole) == (2, False)


def test_a_collection_is_a_filter(fish, as_bob):
    row = collections.create(actor=as_bob, name="Best", task_ids=fish[:2])
    assert set(ids(f"collection={row.pk}&q=red")) == set(fish[:2])


def test_people_are_found_under_their_new_name(fish):
    User.objects.filter(username="bob").update(username="robert")
    assert len(ids("owner=robert")) == 4
