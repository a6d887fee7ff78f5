"""Searches over answers: what they find, in which order, how it is counted, page after page."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.http import QueryDict

from orchestration.errors import InvalidInput
from orchestration.models import Output, Task, User
from orchestration.queries import search as module
from orchestration.queries.output_filter import OutputFilter
from orchestration.queries.outputs import export_page, search
from orchestration.queries.search import counts
from orchestration.services import collections, gathering, outputs

pytestmark = pytest.mark.usefixtures("redis_server")
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def answered(submit: Any) -> Any:
    """Completed answers given as (prompt, answer, fields of the task)."""

    def make(*given: tuple[str, str, dict[str, Any]]) -> list[int]:
        ids = []
        for prompt, output, fields in given:
            task = submit(prompt).tasks.get()
            changes = {"model_used": "llama3.2:latest", "ended_at": NOON, **fields}
            Task.objects.filter(pk=task.pk).update(status="completed", output=output, **changes)
            ids.append(task.pk)
        gathering.gather(seconds=60)
        return ids

    return make


@pytest.fixture
def fish(answered: Any) -> list[int]:
    return answered(
        ("Name a red fish.", "The red snapper, a red, red fish.", {"tags": ["sea"]}),
        ("Name a blue fish.", "The tang. It has nothing red about it. " + "Long words follow. " * 60, {}),
        ("Give me JSON.", '{"fish": "pike"}', {"model_used": "qwen3:8b", "agent_name": "coder"}),
        ("Name a bird.", "A kite.", {"ended_at": NOON - timedelta(days=40)}),
    )


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


def test_snippets_show_what_was_found(fish):
    (row,) = search(asked("q=tang"))["outputs"]
    assert [part["text"] for part in row["snippet"] if part["hit"]] == ["tang"]
    assert row["snippet_of"] == "output"
    (only_asked,) = search(asked("q=bird"))["outputs"]
    assert only_asked["snippet_of"] == "prompt"
    assert [part["text"] for part in only_asked["title"] if part["hit"]] == ["bird"]


@pytest.mark.parametrize("order", ["newest", "relevance", "rating"])
def test_pages_have_every_answer_once(answered, as_bob, order):
    made = answered(*((f"Fish number {number}", "A fish. " * (number + 1), {}) for number in range(9)))
    for task_id, rating in zip(made[:4], (5, 3, 5, 1), strict=True):
        outputs.edit(actor=as_bob, task_id=task_id, rating=rating)
    found: list[int] = []
    cursor = None
    while True:
        page = search(asked(f"q=fish&sort={order}"), limit=2, cursor=cursor)
        found += [row["id"] for row in page["outputs"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(found) == made
    if order == "rating":
        ratings = dict(Output.objects.values_list("pk", "rating"))
        assert [ratings[pk] for pk in found[:4]] == [5, 5, 3, 1]


def test_what_comes_between_two_pages_does_not_move_what_was_ranked(answered):
    made = answered(*((f"Fish {number}", "fish", {}) for number in range(4)))
    first = search(asked("q=fish"), limit=2)
    answered(("Fish fish fish", "fish fish fish fish", {}))
    second = search(asked("q=fish"), limit=2, cursor=first["next_cursor"])
    assert sorted(row["id"] for page in (first, second) for row in page["outputs"]) == made


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


def test_exports_have_all_that_match_page_by_page(fish, monkeypatch):
    monkeypatch.setattr("orchestration.queries.outputs.EXPORTED_AT_ONCE", 2)
    first, below = export_page(asked("q=fish"))
    rest, end = export_page(asked("q=fish"), below=below)
    assert [row["id"] for row in (*first, *rest)] == [fish[2], fish[1], fish[0]]
    assert rest[0]["output"].startswith("The red snapper")
    assert end is None


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


@pytest.mark.parametrize("cursor", ["x1", "n", "nx", "r1", "s9.1", "n1.2"])
def test_a_cursor_of_another_order_is_refused(db, cursor):
    for order in ("newest", "rating"):
        with pytest.raises(InvalidInput):
            search(asked(f"q=a&sort={order}"), cursor=cursor if order == "newest" or cursor[0] != "n" else "n1")


def test_a_filter_is_the_same_after_a_round_trip():
    query = "q=a+%22b+c%22&sort=newest&since=2026-11-01&model=a%3Ab&rating=5&rating=none&tag=x%2Cy"
    assert asked(asked(query).to_query()) == asked(query)
