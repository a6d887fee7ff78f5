"""What the measurement rests on: every task completed once, times in one zone, CPU by process. The rest is run small
by the tests of its command."""

import os
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from orchestration.management import throughput
from orchestration.management.throughput import Found, Incomplete
from orchestration.management.trial import Trial
from orchestration.models import Attempt, Task
from orchestration.policy.states import TaskStatus


def test_the_rate_is_tasks_by_seconds():
    assert Found(tasks=1000, seconds=2.5).rate == 400


@pytest.fixture
def completed(submit, node):
    """Two completed tasks with an attempt each."""
    tasks = list(submit("one", "two").tasks.order_by("pk"))
    for slot, task in enumerate(tasks):
        _attempt(task, node, slot)
    Task.objects.transition_all(TaskStatus.ASSIGNED)
    Task.objects.transition_all(TaskStatus.RUNNING)
    Task.objects.transition_all(TaskStatus.COMPLETED, ended_at=timezone.now())
    return tasks


def _attempt(task, node, slot, number=1):
    now = timezone.now()
    Attempt.objects.create(
        task=task, node=node, node_name=node.name, model_name="m", num_ctx=4096, slot=slot, number=number,
        token=f"{task.pk}-{number}", status="completed", granted_at=now, lease_until=now, ended_at=now,
    )  # fmt: skip


def test_tasks_that_completed_once_each_are_in_order(completed):
    throughput.check(connection, 2)


def test_a_task_that_completed_twice_is_an_error(completed, node):
    _attempt(completed[0], node, 2, number=2)
    with pytest.raises(Incomplete, match="2 completed by 3 attempts of 2"):
        throughput.check(connection, 2)


def test_a_task_that_is_missing_is_an_error(completed):
    with pytest.raises(Incomplete, match="3 tasks, 2 completed"):
        throughput.check(connection, 3)


def test_the_end_is_the_last_row_as_a_moment_in_utc(completed):
    last = throughput._wait(connection, 2)
    assert last.tzinfo is not None
    assert abs(last - timezone.now()) < timedelta(minutes=5)
    assert throughput._aware("2026-11-21 10:00:00.5") == datetime(2026, 11, 21, 10, 0, 0, 500_000, tzinfo=UTC)


def test_waiting_has_an_end(completed, monkeypatch):
    monkeypatch.setattr(throughput, "PATIENCE_SECONDS", 0.1)
    with pytest.raises(Incomplete, match="Only 2 of 3"):
        throughput._wait(connection, 3)


def test_a_refused_call_says_what_came():
    with pytest.raises(Incomplete, match="429 instead of 202"):
        throughput._expect(202, (429, {"error": {"code": "too_many_waiting"}}))


def test_nothing_is_counted_of_a_drover_that_does_not_run():
    trial = Trial()
    trial.data.rmdir()
    assert throughput.cpu(trial, os.getpid()) == {}
