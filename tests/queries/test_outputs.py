"""Kept answers: pages of what a search finds, rows with their snippets, one in full, and pages for exports."""

from datetime import timedelta

import pytest
from django.http import QueryDict
from django.utils import timezone

from orchestration.errors import InvalidInput, NotFound
from orchestration.models import Task
from orchestration.policy.terms import parse
from orchestration.queries import outputs as module
from orchestration.queries.output_filter import OutputFilter
from orchestration.queries.outputs import (
    export_page,
    get_output,
    output_detail,
    rows_of,
    search,
)
from orchestration.services import outputs


def asked(query: str = "") -> OutputFilter:
    return OutputFilter.from_query(QueryDict(query))


def walked(query: str, limit: int = 2) -> list[int]:
    """Ids of all pages, one after the other."""
    found: list[int] = []
    cursor = None
    while True:
        page = search(asked(query), limit=limit, cursor=cursor)
        found += [row["id"] for row in page["outputs"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


# Pages ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["newest", "relevance", "rating"])
def test_pages_have_every_answer_once(answered, as_bob, order):
    made = answered(*((f"Fish number {number}", "A fish. " * (number + 1), {}) for number in range(9)))
    for task_id, rating in zip(made[:4], (5, 3, 5, 1), strict=True):
        outputs.edit(actor=as_bob, task_id=task_id, rating=rating)
    found = walked(f"q=fish&sort={order}")
    assert sorted(found) == made
    if order == "newest":
        assert found == made[::-1]
    if order == "rating":
        assert found[:4] == [made[2], made[0], made[1], made[3]]


def test_the_last_page_says_that_it_is_the_last(fish):
    page = search(asked("sort=newest"), limit=len(fish))
    assert (len(page["outputs"]), page["next_cursor"]) == (len(fish), None)


def test_what_comes_between_two_pages_does_not_move_what_was_ranked(answered):
    made = answered(*((f"Fish {number}", "fish", {}) for number in range(4)))
    first = search(asked("q=fish"), limit=2)
    answered(("Fish fish fish", "fish fish fish fish", {}))
    second = search(asked("q=fish"), limit=2, cursor=first["next_cursor"])
    assert sorted(row["id"] for page in (first, second) for row in page["outputs"]) == made


def test_a_search_without_counts_has_none_and_finds_the_same(fish):
    bare = search(asked("q=fish"), facets=False)
    assert (bare["total"], bare["is_whole"], bare["facets"]) == (None, None, {})
    counted = search(asked("q=fish"))
    assert bare["outputs"] == counted["outputs"]
    assert (counted["total"], counted["is_whole"]) == (3, True)
    assert counted["facets"]["model"] == [
        {"value": "llama3.2:latest", "count": 2},
        {"value": "qwen3:8b", "count": 1},
    ]


@pytest.mark.parametrize(("limit", "rows"), [(0, 1), (-5, 1), (3, 2)])
def test_a_page_has_a_row_at_least_and_so_many_at_most(fish, monkeypatch, limit, rows):
    monkeypatch.setattr(module, "MOST_ROWS", 2)
    assert len(search(asked(), limit=limit)["outputs"]) == rows


@pytest.mark.parametrize("order", ["newest", "relevance", "rating"])
def test_nothing_found_is_a_page_too(fish, order):
    page = search(asked(f"q=whale&sort={order}"))
    assert (page["outputs"], page["next_cursor"], page["total"]) == ([], None, 0)


@pytest.mark.parametrize("order", ["newest", "relevance", "rating"])
def test_what_the_index_has_left_of_answers_that_are_gone_is_passed_over(answered, order):
    made = answered(*((f"Fish {number}", "A fish.", {}) for number in range(5)))
    Task.objects.filter(pk__in=made[2:4]).delete()
    assert sorted(walked(f"q=fish&sort={order}")) == [made[0], made[1], made[4]]


@pytest.mark.parametrize("cursor", ["x1", "n", "nx", "r1", "s9.1", "n1.2"])
def test_a_cursor_of_another_order_is_refused(db, cursor):
    for order in ("newest", "rating"):
        with pytest.raises(InvalidInput):
            search(asked(f"q=a&sort={order}"), cursor=cursor if order == "newest" or cursor[0] != "n" else "n1")


# Rows -----------------------------------------------------------------------------------------------------------------


def test_snippets_show_what_was_found(fish):
    (row,) = search(asked("q=tang"))["outputs"]
    assert [part["text"] for part in row["snippet"] if part["hit"]] == ["tang"]
    assert row["snippet_of"] == "output"
    (only_asked,) = search(asked("q=bird"))["outputs"]
    assert only_asked["snippet_of"] == "prompt"
    assert [part["text"] for part in only_asked["title"] if part["hit"]] == ["bird"]


def test_rows_come_as_asked_and_those_that_are_gone_are_left_out(fish):
    assert [row["id"] for row in rows_of([fish[1], 999_999, fish[3], fish[0]])] == [fish[1], fish[3], fish[0]]


def test_rows_cost_the_same_however_many_there_are(fish, django_assert_num_queries):
    for ids in (fish[:1], fish):
        with django_assert_num_queries(3):
            rows_of(ids, parse("fish").wanted)


# One in full ----------------------------------------------------------------------------------------------------------


def test_an_answer_in_full_has_its_texts_and_its_row(fish, as_bob):
    Task.objects.filter(pk=fish[0]).update(system_prompt="Be brief.", thinking="Hm.", metadata={"a": 1}, client_ref="")
    outputs.edit(actor=as_bob, task_id=fish[0], rating=4, note="Good.")
    found = output_detail(fish[0], parse("snapper").wanted)
    assert (found["prompt"], found["system"], found["thinking"]) == ("Name a red fish.", "Be brief.", "Hm.")
    assert (found["metadata"], found["client_ref"], found["tags"]) == ({"a": 1}, None, ["sea"])
    assert (found["rating"], found["rated_by"], found["note"], found["owner"]) == (4, "bob", "Good.", "bob")
    assert [part["text"] for part in found["snippet"] if part["hit"]] == ["snapper"]


def test_an_answer_is_read_at_one_go(fish, django_assert_num_queries):
    with django_assert_num_queries(3):
        output_detail(fish[0])


def test_a_task_without_a_kept_answer_is_not_found(submitted_task):
    with pytest.raises(NotFound, match=f"no answer of task {submitted_task.pk}"):
        get_output(submitted_task.pk)


def test_an_answer_whose_text_went_is_there_without_it(fish):
    outputs.remove_text([fish[0]], timezone.now() + timedelta(days=1))
    found = output_detail(fish[0], parse("snapper").wanted)
    assert (found["prompt"], found["output"], found["characters"]) == ("", "", 33)
    assert found["text_removed_at"] is not None
    assert search(asked("q=snapper"))["outputs"] == []
    assert fish[0] in [row["id"] for row in search(asked("tag=sea"))["outputs"]]


# Exports --------------------------------------------------------------------------------------------------------------


def test_exports_have_all_that_match_page_by_page(fish, monkeypatch):
    monkeypatch.setattr("orchestration.queries.outputs.EXPORTED_AT_ONCE", 2)
    first, below = export_page(asked("q=fish"))
    rest, end = export_page(asked("q=fish"), below=below)
    assert [row["id"] for row in (*first, *rest)] == [fish[2], fish[1], fish[0]]
    assert rest[0]["output"].startswith("The red snapper")
    assert end is None


def test_an_export_goes_on_where_all_of_a_page_is_gone(answered, monkeypatch):
    monkeypatch.setattr(module, "EXPORTED_AT_ONCE", 2)
    made = answered(*((f"Fish {number}", "A fish.", {}) for number in range(5)))
    Task.objects.filter(pk__in=made[3:]).delete()
    rows, below = export_page(asked("q=fish"))
    assert (rows, below) == ([], made[3])
    rest, _ = export_page(asked("q=fish"), below=below)
    assert [row["id"] for row in rest] == [made[2], made[1]]
