"""What is ready is read along the indexes made for it, and moments come out aware on both databases."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from orchestration.models import Run, Task
from orchestration.queries.ready import READY, moment, rows

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def test_the_index_is_named_where_the_database_would_not_find_it(submit: Callable[..., Run]) -> None:
    run = submit("one", "two")
    query = f"SELECT {{what}} FROM orchestration_task {{by_share}} WHERE {READY} AND lane_id = %s"
    with CaptureQueriesContext(connection) as asked:
        found = rows(query, [run.tasks.values_list("lane_id", flat=True)[0]], {"what": "COUNT(*)"})
    assert found == [(2,)]
    assert ("INDEXED BY task_ready_by_share" in asked[-1]["sql"]) == (connection.vendor == "sqlite")


def test_what_backs_off_is_not_ready(submit: Callable[..., Run]) -> None:
    submit("one", "two")
    Task.objects.filter(title="one").update(not_before=NOON)
    assert rows(f"SELECT title FROM orchestration_task {{by_age}} WHERE {READY}") == [("two",)]


@pytest.mark.parametrize(
    "stored",
    [
        "2026-05-01 12:00:00",
        NOON.replace(tzinfo=None),
        NOON,
        NOON.astimezone(timezone(timedelta(hours=2))),
    ],
)
def test_every_moment_is_aware(stored: datetime | str) -> None:
    assert moment(stored) == NOON
