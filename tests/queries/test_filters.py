"""The grammar of filters: read from URLs, written back, and the same answer for stored and for live rows."""

from itertools import chain, combinations
from typing import Any

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from orchestration import queries
from orchestration.errors import InvalidInput
from orchestration.models import Task
from orchestration.queries import TaskFilter, task_rows
from tests.queries.conftest import Make


def _read(query: str) -> TaskFilter:
    return TaskFilter.from_query(QueryDict(query))


def _found(query: str) -> set[int]:
    return {row["id"] for row in task_rows(_read(query), limit=200).rows}


def test_several_values_of_a_field_come_repeated_or_with_commas() -> None:
    assert _read("status=failed&status=running") == _read("status=failed,running") == _read("state=running, failed,")


def test_waiting_and_pending_are_the_same_word() -> None:
    assert _read("status=waiting") == _read("status=pending")


def test_what_pages_add_is_no_filter() -> None:
    assert _read("limit=5&cursor=b7&sort=x&page=2").is_empty


def test_an_unknown_filter_is_answered_with_the_right_one() -> None:
    with pytest.raises(InvalidInput, match="Did you mean status"):
        _read("statuss=failed")
    with pytest.raises(InvalidInput, match="Filters are agent, model"):
        _read("zzz=1")


@pytest.mark.parametrize(
    "query",
    ["status=broken", "priority=high", "run=x", "run=-1", "run=%C2%B2", "priority=" + "9" * 30]
    + [f"{name}=a%00" for name in ("agent", "model", "tag", "text")],
)
def test_a_bad_value_is_refused_with_the_filter_named(query: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        _read(query)
    assert refusal.value.detail["filter"] == query.partition("=")[0]


words = st.frozensets(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=6), max_size=2)


@given(
    status=st.frozensets(st.sampled_from(["pending", "running", "failed"])),
    model=words,
    tag=words,
    priority=st.frozensets(st.sampled_from("012")),
    text=st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=8).map(str.strip),
)
def test_what_is_written_into_a_url_is_read_back(**fields: Any) -> None:
    wanted = TaskFilter(**fields)
    assert TaskFilter.from_string(wanted.to_query()) == wanted


QUERIES = (
    "status=failed",
    "status=pending",
    "status=running,completed",
    "model=llama3.2:latest",
    "model=qwen3:8b",
    "node=gpu-b",
    "agent=poet",
    "owner=dave",
    "priority=0,2",
    "type=chat",
    "tag=night",
    "tag=nightly",
    "tag=größe",
    "tag=NIGHTLY",
    "text=POEM",
    "text=%25",
    "run=999",
)


def test_a_stored_row_and_the_same_row_arriving_live_are_judged_alike(mixed: list[Task]) -> None:
    rows = queries.task_rows_by_id(task.pk for task in mixed)
    for query in chain(QUERIES, map("&".join, combinations(QUERIES, 2))):
        live = {row["id"] for row in rows if _read(query).matches(row)}
        assert _found(query) == live, query


def test_fields_narrow_and_values_widen(mixed: list[Task]) -> None:
    assert _found("status=failed") == {mixed[2].pk, mixed[3].pk}
    assert _found("status=failed&owner=dave") == {mixed[3].pk}
    assert _found("status=failed,cancelled") == {mixed[2].pk, mixed[3].pk, mixed[4].pk}
    assert _found("status=pending") == {mixed[6].pk, mixed[7].pk, mixed[8].pk}
    assert _found("") == {task.pk for task in mixed}


def test_a_waiting_task_is_found_by_the_model_it_asks_for(mixed: list[Task]) -> None:
    assert _found("model=qwen3:8b") == {mixed[7].pk}


@pytest.mark.parametrize("tag", ["größe", "🚀", "a b", 'say "hi"', "back\\slash", "50%", "under_score"])
def test_any_tag_is_found_and_nothing_like_it(tag: str, make_task: Make) -> None:
    wanted = make_task(tags=["other", tag])
    make_task(tags=[f"{tag}x", f"x{tag}", "anything"])
    rows = task_rows(TaskFilter(tag=frozenset({tag}))).rows
    assert [row["id"] for row in rows] == [wanted.pk]
