"""Tasks are announced as they are after the commit, once for each transaction, and not at all when it is undone."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from orchestration import events, queries
from orchestration.models import Run, Task
from orchestration.services.announce import ROWS_AT_MOST, announce_tasks


def _announced() -> list[dict[str, Any]]:
    entries = events.connection().xrange(events.EVENTS)
    return [json.loads(fields["d"]) for _, fields in entries if fields["k"] == "task"]


@pytest.fixture
def two(transactional_db: None, submit: Callable[..., Run], redis_server: Any) -> list[Task]:
    tasks = list(submit("one", "two").tasks.order_by("pk"))
    redis_server.flush()
    return tasks


def test_a_row_is_told_as_it_is_after_the_commit(two: list[Task]) -> None:
    with transaction.atomic():
        announce_tasks([two[0].pk])
        Task.objects.filter(pk=two[0].pk).update(title="renamed")
        assert _announced() == []
    assert [row["title"] for row in _announced()] == ["renamed"]


def test_several_announcements_of_one_transaction_are_one(two: list[Task]) -> None:
    with transaction.atomic():
        announce_tasks([two[0].pk])
        announce_tasks([two[0].pk, two[1].pk], wake=True)
    assert sorted(row["id"] for row in _announced()) == [two[0].pk, two[1].pk]
    assert events.connection().llen(events.WAKE) == 1


def test_many_at_once_are_told_by_their_ids(two: list[Task], submit: Callable[..., Run], redis_server: Any) -> None:
    many = list(submit(*map(str, range(ROWS_AT_MOST + 1))).tasks.values_list("pk", flat=True))
    redis_server.flush()
    announce_tasks(many[:-1])
    assert sorted(row["id"] for row in _announced()) == sorted(many[:-1])
    redis_server.flush()
    with transaction.atomic():
        announce_tasks(many, wake=True)
    ((_, fields),) = events.connection().xrange(events.EVENTS)
    assert (fields["k"], sorted(json.loads(fields["d"])["ids"])) == ("tasks", sorted(many))
    assert events.connection().llen(events.WAKE) == 1


def test_the_scheduler_is_woken_before_the_rows_are_read(two: list[Task], monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[int] = []

    def read(ids: list[int]) -> list[Any]:
        woken.append(int(events.connection().llen(events.WAKE)))
        return []

    monkeypatch.setattr(queries, "task_rows_by_id", read)
    announce_tasks([two[0].pk], wake=True)
    assert woken == [1]


def test_outside_of_a_transaction_it_is_told_at_once(two: list[Task]) -> None:
    announce_tasks([two[0].pk])
    assert [row["id"] for row in _announced()] == [two[0].pk]


def test_what_is_deleted_by_then_is_left_out(two: list[Task]) -> None:
    with transaction.atomic():
        announce_tasks([two[0].pk])
        two[0].delete()
    assert _announced() == []


def _undone(task: Task) -> None:
    with transaction.atomic():
        announce_tasks([task.pk], wake=True)
        raise ZeroDivisionError


def test_an_undone_change_is_not_announced_and_leaves_nothing_for_the_next(two: list[Task]) -> None:
    with pytest.raises(ZeroDivisionError):
        _undone(two[0])
    assert _announced() == []
    with transaction.atomic():
        announce_tasks([two[1].pk])
    assert [row["id"] for row in _announced()] == [two[1].pk]


def test_a_savepoint_that_is_undone_does_not_take_the_rest_with_it(two: list[Task]) -> None:
    with transaction.atomic():
        announce_tasks([two[0].pk])
        with pytest.raises(ZeroDivisionError):
            _undone(two[1])
    assert two[0].pk in [row["id"] for row in _announced()]
