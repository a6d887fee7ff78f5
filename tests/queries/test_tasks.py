"""Pages both ways, counts, facets that agree with the lists, details, runs."""

import json
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestration import events, queries
from orchestration.errors import InvalidInput, NotFound
from orchestration.models import Attempt, Lane, Node, Run, Task
from orchestration.queries import TaskFilter
from orchestration.queries.filters import STATUSES
from tests.queries.conftest import Make

ALL = TaskFilter()


def _pages(limit: int, wanted: TaskFilter = ALL) -> list[queries.Page]:
    pages = [queries.task_rows(wanted, limit=limit)]
    while pages[-1].next_cursor:
        pages.append(queries.task_rows(wanted, limit=limit, cursor=pages[-1].next_cursor))
    return pages


def _ids(page: queries.Page) -> list[int]:
    return [row["id"] for row in page.rows]


@pytest.mark.parametrize("limit", [1, 2, 4, 5, 6, 100])
def test_pages_show_every_task_once_newest_first(limit: int, make_task: Make) -> None:
    made = [make_task().pk for _ in range(5)]
    seen = [number for page in _pages(limit) for number in _ids(page)]
    assert seen == made[::-1]


@pytest.mark.parametrize("limit", [1, 2, 4])
def test_the_way_back_shows_the_same_pages(limit: int, make_task: Make) -> None:
    for _ in range(5):
        make_task()
    forth = _pages(limit)
    back = [forth[-1]]
    while back[-1].prev_cursor:
        back.append(queries.task_rows(ALL, limit=limit, cursor=back[-1].prev_cursor))
    assert [number for page in reversed(back) for number in _ids(page)] == [n for page in forth for n in _ids(page)]


def test_there_is_nothing_before_the_first_nor_after_the_last_page(make_task: Make) -> None:
    make_task()
    page = queries.task_rows(ALL)
    assert (page.next_cursor, page.prev_cursor) == (None, None)
    empty = queries.task_rows(TaskFilter(agent=frozenset({"nobody"})))
    assert (empty.rows, empty.next_cursor, empty.prev_cursor) == ([], None, None)


def test_a_page_stays_where_it_is_when_new_tasks_come(make_task: Make) -> None:
    for _ in range(4):
        make_task()
    first = queries.task_rows(ALL, limit=2)
    second = _ids(queries.task_rows(ALL, limit=2, cursor=first.next_cursor))
    new = make_task()
    assert _ids(queries.task_rows(ALL, limit=2, cursor=first.next_cursor)) == second
    assert _ids(queries.task_rows(ALL, limit=2, cursor=f"a{_ids(first)[0]}")) == [new.pk]


def test_pages_keep_to_the_filter(make_task: Make) -> None:
    made = [make_task(type="chat" if number % 2 else "embed").pk for number in range(8)]
    chats = [number for page in _pages(2, TaskFilter(type=frozenset({"chat"}))) for number in _ids(page)]
    assert chats == made[1::2][::-1]


@pytest.mark.parametrize("cursor", ["x1", "b", "b-1", "bx", "7", "b1;", "b²", "b" + "9" * 5000])
def test_a_made_up_cursor_is_refused(cursor: str, db: None) -> None:
    with pytest.raises(InvalidInput, match="cursor"):
        queries.task_rows(ALL, cursor=cursor)


def test_a_page_has_a_most(make_task: Make, django_assert_max_num_queries: Any) -> None:
    assert queries.task_rows(ALL, limit=0).rows == []
    make_task()
    make_task()
    assert len(queries.task_rows(ALL, limit=0).rows) == 1
    with django_assert_max_num_queries(6):
        queries.task_rows(ALL, limit=10**9)


def test_a_list_costs_the_same_however_long(mixed: list[Task], django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(5):
        assert len(queries.task_rows(ALL).rows) == 9


# Counts and facets ----------------------------------------------------------------------------------------------------


def test_counts_are_by_public_word(mixed: list[Task]) -> None:
    assert queries.task_counts() == {
        "pending": 3,
        "running": 1,
        "completed": 2,
        "failed": 2,
        "cancelled": 1,
        "failed_last_hour": 1,
    }


def test_facets_say_how_many_a_click_would_show(mixed: list[Task]) -> None:
    facets = queries.facets(TaskFilter(status=frozenset({"failed"})))
    assert facets["status"] == [
        ("pending", "pending", 3),
        ("running", "running", 1),
        ("completed", "completed", 2),
        ("failed", "failed", 2),
        ("cancelled", "cancelled", 1),
    ]
    assert sorted(facets["agent"]) == [("poet", "poet", 1), ("writer", "writer", 1)]
    assert facets["priority"] == [("1", "normal", 2)]


def test_facets_are_one_query(mixed: list[Task], django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        queries.facets(TaskFilter(status=frozenset({"failed"}), text="river"))


_choices = st.fixed_dictionaries(
    {
        "status": st.frozensets(st.sampled_from(STATUSES), max_size=2),
        "agent": st.frozensets(st.sampled_from(["writer", "poet"]), max_size=1),
        "owner": st.frozensets(st.sampled_from(["bob", "dave"]), max_size=1),
        "node": st.frozensets(st.sampled_from(["gpu-a", "gpu-b"]), max_size=1),
        "priority": st.frozensets(st.sampled_from(["0", "1", "2"]), max_size=2),
        "type": st.frozensets(st.sampled_from(["generate", "chat"]), max_size=1),
        "tag": st.frozensets(st.sampled_from(["nightly", "night"]), max_size=1),
        "text": st.sampled_from(["", "river"]),
    }
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chosen=_choices)
def test_each_facet_shows_what_its_click_would_find_and_sums_to_the_total(
    chosen: dict[str, Any], mixed: list[Task]
) -> None:
    facets = queries.facets(TaskFilter(**chosen))
    for field, entries in facets.items():
        for value, _, number in entries:
            clicked = TaskFilter(**{**chosen, field: frozenset({value})})
            assert len(queries.task_rows(clicked, limit=200).rows) == number
        if field in ("status", "agent", "priority", "type"):
            without = TaskFilter(**{**chosen, field: frozenset()})
            assert sum(number for _, _, number in entries) == len(queries.task_rows(without, limit=200).rows)


# Details and runs -----------------------------------------------------------------------------------------------------


def test_a_detail_has_the_attempts_latest_first(make_task: Make, node: Node) -> None:
    task = make_task("running")
    now = timezone.now()
    for number in (1, 2):
        Attempt.objects.create(
            task=task,
            number=number,
            node=node,
            node_name="gpu-a",
            model_name="llama3.2:latest",
            num_ctx=4096,
            slot=0,
            token=f"t{number}",
            granted_at=now,
            lease_until=now,
            ended_at=now if number == 1 else None,
        )
    detail = queries.task_detail(task.pk)
    assert [attempt["number"] for attempt in detail["attempt_list"]] == [2, 1]


def test_live_progress_of_the_present_attempt_is_shown_and_of_an_earlier_one_is_not(make_task: Make) -> None:
    task = make_task("running", attempt_id=2)
    report = {
        "attempt_id": 2,
        "phase": "generating",
        "progress": 40,
        "message": "",
        "output_tokens": 17,
        "tokens_per_second": 9.5,
        "phase_since": "",
    }
    events.connection().hset(events.PROGRESS, str(task.pk), json.dumps(report))
    (row,) = queries.task_rows_by_id([task.pk])
    assert (row["state"], row["progress"], row["output_tokens"], row["tokens_per_second"]) == (
        "generating",
        40,
        17,
        9.5,
    )
    events.connection().hset(events.PROGRESS, str(task.pk), json.dumps({**report, "attempt_id": 1}))
    (row,) = queries.task_rows_by_id([task.pk])
    assert (row["state"], row["progress"], row["output_tokens"]) == ("starting", 0, None)


def test_a_list_is_shown_without_redis(make_task: Make, redis_server: Any) -> None:
    task = make_task("running")
    redis_server.stop()
    assert [row["state"] for row in queries.task_rows_by_id([task.pk])] == ["starting"]


def test_what_is_not_there_is_not_found(db: None) -> None:
    for read in (queries.task_detail, queries.run_detail, queries.get_task, queries.get_run):
        with pytest.raises(NotFound):
            read(9)


def test_rows_of_tasks_that_went_are_left_out(make_task: Make) -> None:
    task = make_task()
    assert [row["id"] for row in queries.task_rows_by_id([task.pk, 999])] == [task.pk]
    assert queries.task_rows_by_id([]) == []


def test_a_run_shows_its_tasks_in_order_and_the_results_of_those_that_completed(mixed: list[Task]) -> None:
    for position, task in enumerate(mixed):
        Task.objects.filter(pk=task.pk).update(position=position, output=f"text {position}")
    detail = queries.run_detail(mixed[0].run_id)
    assert [task["id"] for task in detail["tasks"]] == [task.pk for task in mixed]
    assert [result["output"] for result in detail["results"]] == ["text 0", "text 1"]
    assert detail["status"] == "running"
    assert detail["counts"] == {"pending": 3, "running": 1, "completed": 2, "failed": 2, "cancelled": 1}


def test_a_run_costs_the_same_however_many_tasks(mixed: list[Task], django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(6):
        queries.run_detail(mixed[0].run_id)


def test_runs_are_paged_with_their_counts(make_task: Make, agent: Any) -> None:
    task = make_task("completed")
    extra = [Run.objects.create(kind="single", agent=agent, agent_name="writer") for _ in range(3)]
    page, cursor = queries.runs(limit=3)
    assert [run["id"] for run in page] == [run.pk for run in reversed(extra)]
    page, cursor = queries.runs(limit=3, cursor=cursor)
    assert [(run["id"], run["status"], run["counts"]["completed"]) for run in page] == [(task.run_id, "completed", 1)]
    assert cursor is None
    assert queries.run_counts(task.run_id)["completed"] == 1
    assert queries.unfinished_in_run(task.run_id) == 0


def test_a_waiting_task_says_why_it_waits(make_task: Make) -> None:
    task = make_task()
    Lane.objects.update(waiting_code="node_unavailable", waiting_reason="gpu-a is draining")
    (row,) = queries.task_rows_by_id([task.pk])
    assert row["waiting_reason"] == "gpu-a is draining"
    assert row["waiting"] is not None
    assert row["waiting"]["code"] == "node_unavailable"
    assert queries.task_detail(task.pk)["waiting"] == row["waiting"]
