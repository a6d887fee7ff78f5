"""Statistics: every sum agrees with every other, and with the rows they come from."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orchestration.errors import InvalidInput
from orchestration.models import Output, Task, UsageDay, User
from orchestration.queries.statistics import NOBODY, Range, by_user_and_agent, range_of, statistics
from tests.queries.conftest import Make

FIRST, LAST = date(2026, 3, 1), date(2026, 3, 4)
MARCH = Range(first=FIRST, last=LAST)


def used(day: int, share: int, **fields: Any) -> UsageDay:
    place = {"agent_name": "writer", "model_name": "llama3.2:latest", "node_name": "gpu-a", "type": "generate"}
    sums = {"completed": 2, "prompt_tokens": 10, "output_tokens": 100, "load_seconds": 1.0, "decode_seconds": 4.0}
    return UsageDay.objects.create(day=date(2026, 3, day), share=share, **{**place, **sums, **fields})


@pytest.fixture
def days(bob: User, dave: User) -> None:
    used(1, bob.pk, run_seconds=10.0, first_tokens=2, first_token_seconds=1.0)
    used(1, dave.pk, agent_name="poet", model_name="qwen3:8b", node_name="gpu-b", failed=2, failed_tries=5)
    used(3, bob.pk, agent_name="poet", cancelled_tries=1, broken_seconds=7.5)
    used(4, 0, type="embed", prefill_seconds=9.0)
    used(5, bob.pk, completed=1000)


@pytest.mark.usefixtures("days")
def test_the_sums_of_a_range() -> None:
    total = statistics(MARCH)["total"]
    assert (total["completed"], total["failed"], total["failed_tries"], total["cancelled_tries"]) == (8, 2, 5, 1)
    assert (total["prompt_tokens"], total["output_tokens"], total["success_rate"]) == (40, 400, 0.8)
    assert (total["load_seconds"], total["prefill_seconds"], total["decode_seconds"]) == (4.0, 9.0, 16.0)
    assert (total["gpu_seconds"], total["broken_seconds"]) == (29.0, 7.5)
    assert (total["mean_seconds"], total["mean_first_token_seconds"]) == (1.25, 0.5)
    assert (total["mean_output_tokens"], total["tokens_per_second"]) == (50.0, 25.0)


@pytest.mark.usefixtures("days")
@pytest.mark.parametrize("part", ["by_model", "by_agent", "by_user", "by_node", "by_type", "by_day"])
@pytest.mark.parametrize("name", ["completed", "failed", "output_tokens", "gpu_seconds", "broken_seconds"])
def test_the_sums_of_every_part_are_those_of_the_whole(part: str, name: str) -> None:
    found: Any = statistics(MARCH)
    assert sum(row[name] for row in found[part]) == found["total"][name]


@pytest.mark.usefixtures("days")
def test_who_took_most_comes_first_and_nobody_is_named() -> None:
    found = statistics(MARCH)
    assert [(row["name"], row["gpu_seconds"]) for row in found["by_user"]] == [
        (NOBODY, 14.0),
        ("bob", 10.0),
        ("dave", 5.0),
    ]
    assert [row["name"] for row in found["by_node"]] == ["gpu-a", "gpu-b"]


@pytest.mark.usefixtures("days")
def test_a_day_without_work_is_a_row_of_noughts() -> None:
    rows = statistics(MARCH)["by_day"]
    assert [(row["day"], row["completed"]) for row in rows] == [
        ("2026-03-01", 4),
        ("2026-03-02", 0),
        ("2026-03-03", 2),
        ("2026-03-04", 2),
    ]
    assert rows[1]["mean_seconds"] is rows[1]["success_rate"] is None


@pytest.mark.usefixtures("days")
@pytest.mark.parametrize(
    ("where", "completed"),
    [
        ({"model": "qwen3:8b"}, 2),
        ({"agent": "poet"}, 4),
        ({"agent": "poet", "user": "bob"}, 2),
        ({"user": NOBODY}, 2),
        ({"user": "stranger"}, 0),
        ({"user": "\0"}, 0),
        ({"node": "gpu-b"}, 2),
        ({"type": "embed"}, 2),
        ({"type": "", "model": ""}, 8),
    ],
)
def test_one_part_of_it(where: dict[str, str], completed: int) -> None:
    assert statistics(MARCH, **where)["total"]["completed"] == completed


@pytest.mark.usefixtures("days")
def test_what_users_took_through_each_agent() -> None:
    found = by_user_and_agent(MARCH)
    rows = [(row["user"], row["agent"], row["gpu_seconds"]) for row in found["usage"]]
    assert rows == [(NOBODY, "writer", 14.0), ("bob", "poet", 5.0), ("bob", "writer", 5.0), ("dave", "poet", 5.0)]
    assert found["total"]["gpu_seconds"] == 29.0


def test_who_is_gone_is_still_counted(dave: User) -> None:
    used(1, dave.pk)
    number = dave.pk
    dave.delete()
    assert statistics(MARCH)["by_user"][0]["name"] == f"former user {number}"


def test_ratings_stand_beside_what_they_are_about(make_task: Make, bob: User) -> None:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    used(1, bob.pk)
    for rating in (5, 2, None):
        task: Task = make_task("completed")
        names = {"agent_name": "writer", "model_name": "llama3.2:latest", "node_name": "gpu-a", "type": "generate"}
        Output.objects.create(task=task, owner=bob, ended_at=at, rating=rating, **names)
    found: Any = statistics(MARCH)
    for part in ("by_model", "by_agent", "by_user", "by_node", "by_type"):
        assert [(row["rated"], row["rating"]) for row in found[part]] == [(2, 3.5)]


@pytest.mark.usefixtures("days")
def test_the_number_of_queries_does_not_depend_on_what_there_is(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(4):
        statistics(MARCH)


@pytest.mark.django_db
def test_the_sums_are_found_by_their_days() -> None:
    from django.db import connection

    with CaptureQueriesContext(connection) as seen:
        statistics(MARCH)
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {next(query['sql'] for query in seen if 'usageday' in query['sql'])}")
            assert "(day>? AND day<?)" in str(cursor.fetchall())


def test_a_range_is_the_last_thirty_days_where_nothing_is_said() -> None:
    found = range_of()
    assert (found.last - found.first).days == 29
    assert found.last == timezone.now().astimezone(UTC).date()
    assert range_of(days=1).first == range_of(days=1).last
    assert range_of(last=LAST, days=4) == MARCH
    assert range_of(FIRST, LAST) == MARCH


@pytest.mark.parametrize(
    "range_arguments", [(LAST, FIRST), (date(1990, 1, 1), LAST), (FIRST, date.max), (None, date.min)]
)
def test_a_range_that_is_none_is_refused(range_arguments: tuple[date | None, date | None]) -> None:
    with pytest.raises(InvalidInput):
        range_of(*range_arguments)
