"""Values of facets in the words of people, and addresses that switch them on and off."""

import pytest
from django.http import QueryDict

from dashboard.found import chips, facet_groups, sorts, toggled, word
from orchestration.queries.output_filter import OutputFilter


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("rating", "1", "1 star"),
        ("rating", "5", "5 stars"),
        ("rating", "none", "not rated"),
        ("json", "yes", "has JSON"),
        ("length", "medium", "500 to 2,000 characters"),
        ("month", "2026-11", "November 2026"),
        ("week", "2026-W47", "week 47, from 16 Nov 2026"),
        ("day", "2026-11-05", "5 Nov 2026"),
        ("day", "yesterday", "yesterday"),
        ("model", "qwen3:8b", "qwen3:8b"),
    ],
)
def test_values_are_said_in_words(kind, value, expected):
    assert word(kind, value) == expected


def asked(query=""):
    return OutputFilter.from_query(QueryDict(query))


def test_a_value_is_switched_on_and_off(client):
    assert toggled(asked("q=a"), "rating", "5") == "/outputs?q=a&rating=5"
    assert toggled(asked("q=a&rating=5"), "rating", "5") == "/outputs?q=a"


def test_kinds_that_tell_nothing_apart_are_left_out_but_those_chosen_stay():
    facets = {
        "model": [{"value": "a", "count": 3}, {"value": "b", "count": 1}],
        "agent": [{"value": "writer", "count": 4}],
        "rating": [{"value": "5", "count": 0}, {"value": "none", "count": 4}],
    }
    assert [group["name"] for group in facet_groups(asked(), facets)] == ["model"]
    (_, rating) = facet_groups(asked("rating=4"), facets)
    assert [(each["value"], each["count"], each["active"]) for each in rating["values"]] == [
        ("none", 4, False),
        ("4", 0, True),
    ]


def test_chips_name_what_narrows_the_search():
    found = chips(asked("model=a&collection=7&since=2026-11-01&until=2026-11-02"), {"7": "Best"})
    assert [(each["name"], each["label"]) for each in found] == [
        ("model", "a"),
        ("collection", "Best"),
        ("since", "2026-11-01"),
        ("until", "2026-11-02"),
    ]


def test_there_is_no_best_match_without_words():
    assert [each["name"] for each in sorts(asked())] == ["newest", "rating"]
    assert [each["name"] for each in sorts(asked("q=a")) if each["active"]] == ["relevance"]
