"""Runs as a whole: cancelled, paused, limited, done again, and ended by their own limits."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orchestration.errors import Conflict, InvalidInput, NotAllowed, NotFound, Refused
from orchestration.models import Agent, AuditEntry, Node, Run, Task
from orchestration.permissions import Actor
from orchestration.policy.states import RunKind
from orchestration.services import attempts, runs, setbacks, steps, tasks
from orchestration.services.specs import TaskSpec
from orchestration.services.submission import RunPlan, submit_run
from tests.services.conftest import Give

Complete = Callable[[Task], None]
Batch = Callable[..., Run]


def _fresh(task: Task) -> Task:
    return Task.objects.get(pk=task.pk)


def _fail(begin: Give, task: Task) -> None:
    job = begin(task)
    setbacks.fail(attempt_id=job.attempt_id, token=job.token, error=Refused("bad option", status=400))


def _statuses(run: Run) -> list[str]:
    return list(run.tasks.order_by("position").values_list("status", flat=True))


@pytest.fixture
def batch(agent: Agent, node: Node, as_bob: Actor) -> Batch:
    def make(count: int, **plan: Any) -> Run:
        specs = [TaskSpec(type="generate", input=f"row {number}") for number in range(count)]
        return submit_run(actor=as_bob, agent=agent, specs=specs, plan=RunPlan(kind=RunKind.BATCH, **plan))

    return make


@pytest.mark.django_db(transaction=True)
def test_cancelling_a_run_takes_its_tasks_in_the_order_in_which_workers_start_them(
    submit: Callable[..., Run], give: Give, as_bob: Actor
) -> None:
    """In another order the two would wait for each other until the database ends one of them, a second later."""
    if connection.vendor == "sqlite":
        return  # it has one writer at a time
    run = submit("one", "two")
    first, second = [give(task) for task in run.tasks.order_by("pk")]
    cancelling = threading.Thread(target=_cancel_run, args=(as_bob, run.pk))
    with transaction.atomic():
        assert attempts.start(attempt_id=first.attempt_id, token=first.token, worker="w")
        cancelling.start()
        _wait_until_somebody_waits_for_a_lock()
        connection.cursor().execute("SET LOCAL lock_timeout = '300ms'")
        assert attempts.start(attempt_id=second.attempt_id, token=second.token, worker="w")
    cancelling.join(timeout=30)
    assert not Task.objects.filter(cancel_requested_at=None).exists()


def _cancel_run(actor: Actor, run_id: int) -> None:
    try:
        runs.cancel(actor=actor, run_id=run_id)
    finally:
        connection.close()


def _wait_until_somebody_waits_for_a_lock() -> None:
    pause = threading.Event()
    for _ in range(400):
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone() != (0,):
                return
        pause.wait(0.05)
    raise AssertionError("nobody waits for a lock")


def test_a_run_is_cancelled_with_all_that_has_not_ended(
    submit: Callable[..., Run], begin: Give, complete: Complete, as_bob: Actor
) -> None:
    run = submit("one", "two", "three")
    one, two, three = run.tasks.order_by("pk")
    complete(one)
    begin(two)
    assert runs.cancel(actor=as_bob, run_id=run.pk) == 2
    assert (_fresh(one).status, _fresh(three).status) == ("completed", "cancelled")
    assert _fresh(two).cancel_requested_at is not None


def test_a_run_that_is_not_there_is_not_found(as_alice: Actor) -> None:
    for act in (runs.cancel, runs.pause, runs.resume, runs.retry_failed, runs.set_limits):
        with pytest.raises(NotFound):
            act(actor=as_alice, run_id=999)


def test_strangers_and_viewers_change_nothing(batch: Batch, as_dave: Actor, as_carol: Actor) -> None:
    run = batch(2)
    for actor in (as_dave, as_carol):
        for act in (runs.cancel, runs.pause, runs.resume, runs.retry_failed, runs.set_limits):
            with pytest.raises(NotAllowed):
                act(actor=actor, run_id=run.pk)
    assert _statuses(run) == ["pending", "pending"]


# Limits ---------------------------------------------------------------------------------------------------------------


def test_a_limited_run_has_so_many_tasks_in_the_line_and_the_next_follow(batch: Batch, complete: Complete) -> None:
    run = batch(4, max_parallel=2)
    assert _statuses(run) == ["pending", "pending", "blocked", "blocked"]
    complete(run.tasks.get(position=0))
    steps.promote(now=timezone.now())
    assert _statuses(run) == ["completed", "pending", "pending", "blocked"]


def test_a_limit_changes_while_the_run_runs(batch: Batch, begin: Give, as_bob: Actor) -> None:
    run = batch(5)
    begin(run.tasks.get(position=0))
    runs.set_limits(actor=as_bob, run_id=run.pk, max_parallel=2)
    assert _statuses(run) == ["running", "pending", "blocked", "blocked", "blocked"]
    runs.set_limits(actor=as_bob, run_id=run.pk, max_parallel=4)
    assert _statuses(run) == ["running", "pending", "pending", "pending", "blocked"]
    runs.set_limits(actor=as_bob, run_id=run.pk, max_parallel=None)
    assert _statuses(run) == ["running", *["pending"] * 4]
    assert set(run.tasks.values_list("gate", flat=True)) == {0}
    assert AuditEntry.objects.filter(action="run.changed").count() == 3


@pytest.mark.parametrize("limits", [{"max_parallel": 0}, {"stop_failed_percent": 101}, {"stop_failed_percent": -1}])
def test_a_limit_that_means_nothing_is_refused(limits: dict[str, Any], batch: Batch, as_bob: Actor) -> None:
    with pytest.raises(InvalidInput):
        runs.set_limits(actor=as_bob, run_id=batch(1).pk, **limits)


def test_steps_of_a_limited_run_wait_for_both(agent: Agent, node: Node, as_bob: Actor, complete: Complete) -> None:
    specs = [
        TaskSpec(type="generate", input="a"),
        TaskSpec(type="generate", input="b"),
        TaskSpec(type="generate", input="c", needs=[0]),
    ]
    plan = RunPlan(kind=RunKind.WORKFLOW, max_parallel=1)
    run = submit_run(actor=as_bob, agent=agent, specs=specs, plan=plan)
    assert _statuses(run) == ["pending", "blocked", "blocked"]
    complete(run.tasks.get(position=0))
    steps.promote(now=timezone.now())
    assert _statuses(run) == ["completed", "pending", "blocked"]
    assert run.tasks.get(position=2).ready_at is not None


# Pause ----------------------------------------------------------------------------------------------------------------


def test_a_paused_run_starts_nothing_and_a_resumed_one_goes_on(batch: Batch, begin: Give, as_bob: Actor) -> None:
    run = batch(3)
    begin(run.tasks.get(position=0))
    runs.pause(actor=as_bob, run_id=run.pk)
    assert _statuses(run) == ["running", "blocked", "blocked"]
    steps.promote(now=timezone.now())
    assert _statuses(run) == ["running", "blocked", "blocked"]
    with pytest.raises(Conflict, match="paused already, by bob"):
        runs.pause(actor=as_bob, run_id=run.pk)
    runs.resume(actor=as_bob, run_id=run.pk)
    assert _statuses(run) == ["running", "pending", "pending"]
    with pytest.raises(Conflict):
        runs.resume(actor=as_bob, run_id=run.pk)


def test_a_limited_run_keeps_its_limit_over_a_pause(batch: Batch, as_bob: Actor) -> None:
    run = batch(3, max_parallel=1)
    runs.pause(actor=as_bob, run_id=run.pk)
    assert _statuses(run) == ["blocked"] * 3
    runs.resume(actor=as_bob, run_id=run.pk)
    assert _statuses(run) == ["pending", "blocked", "blocked"]


def test_what_comes_back_into_a_paused_run_is_held(batch: Batch, begin: Give, as_bob: Actor) -> None:
    run = batch(1)
    job = begin(run.tasks.get())
    runs.pause(actor=as_bob, run_id=run.pk)
    setbacks.give_back(attempt_id=job.attempt_id, token=job.token, reason="the worker stops")
    assert _statuses(run) == ["pending"]
    runs.keep_limits(now=timezone.now())
    assert _statuses(run) == ["blocked"]


def test_a_run_that_has_ended_is_not_paused(batch: Batch, complete: Complete, as_bob: Actor) -> None:
    run = batch(1)
    complete(run.tasks.get())
    with pytest.raises(Conflict, match="has ended"):
        runs.pause(actor=as_bob, run_id=run.pk)


# Ends by its own limits -----------------------------------------------------------------------------------------------


def test_the_rest_is_cancelled_when_too_many_fail(batch: Batch, begin: Give, complete: Complete) -> None:
    run = batch(30, stop_failed_percent=10)
    tasks = list(run.tasks.order_by("position"))
    for task in tasks[:17]:
        complete(task)
    for task in tasks[17:19]:
        _fail(begin, task)
    assert runs.keep_limits(now=timezone.now()) == 0
    _fail(begin, tasks[19])
    assert runs.keep_limits(now=timezone.now()) == 1
    run.refresh_from_db()
    assert run.stopped_reason == "3 of 20 tasks failed, more than the 10 % that may"
    assert {(task.status, task.error_code) for task in run.tasks.filter(position__gt=19)} == {
        ("cancelled", "run_stopped")
    }
    assert runs.keep_limits(now=timezone.now()) == 0
    run.refresh_from_db()
    assert run.watched is False


def test_a_run_that_takes_too_long_is_ended_with_what_runs(batch: Batch, begin: Give) -> None:
    run = batch(2, max_seconds=60)
    begin(run.tasks.get(position=0))
    assert runs.keep_limits(now=timezone.now()) == 0
    assert runs.keep_limits(now=timezone.now() + timedelta(seconds=61)) == 1
    assert _statuses(run) == ["running", "cancelled"]
    assert run.tasks.get(position=0).cancel_requested_at is not None
    assert "longer than the 60 s" in run.tasks.get(position=1).error


def test_a_run_that_takes_too_many_tokens_is_ended(batch: Batch, complete: Complete) -> None:
    run = batch(3, max_tokens=150)
    complete(run.tasks.get(position=0))
    assert runs.keep_limits(now=timezone.now()) == 0
    complete(run.tasks.get(position=1))
    assert runs.keep_limits(now=timezone.now()) == 1
    assert _statuses(run) == ["completed", "completed", "cancelled"]


def test_limits_of_many_runs_are_kept_with_few_statements(batch: Batch) -> None:
    for _ in range(5):
        batch(1, max_seconds=60, max_tokens=100)
    with CaptureQueriesContext(connection) as asked:
        assert runs.keep_limits(now=timezone.now()) == 0
    assert len(asked) == 3


# Again ----------------------------------------------------------------------------------------------------------------


def test_failed_rows_are_done_again_and_nothing_else(
    batch: Batch, begin: Give, complete: Complete, as_bob: Actor
) -> None:
    run = batch(3)
    one, two, _ = run.tasks.order_by("position")
    complete(one)
    _fail(begin, two)
    runs.cancel(actor=as_bob, run_id=run.pk)
    assert runs.retry_failed(actor=as_bob, run_id=run.pk) == 1
    assert _statuses(run) == ["completed", "pending", "cancelled"]
    with pytest.raises(Conflict, match="Nothing in run"):
        runs.retry_failed(actor=as_bob, run_id=run.pk)


def test_a_resumed_run_of_steps_does_what_is_missing(
    agent: Agent, node: Node, as_bob: Actor, begin: Give, complete: Complete
) -> None:
    specs = [TaskSpec(type="generate", input=text) for text in ("a", "b", "c")]
    specs = [specs[0], TaskSpec(type="generate", input="b", needs=[0]), TaskSpec(type="generate", input="c", needs=[1])]
    run = submit_run(actor=as_bob, agent=agent, specs=specs, plan=RunPlan(kind=RunKind.WORKFLOW))
    one, two, three = run.tasks.order_by("position")
    complete(one)
    steps.promote(now=timezone.now())
    _fail(begin, two)
    steps.promote(now=timezone.now())
    assert _statuses(run) == ["completed", "failed", "cancelled"]
    assert runs.retry_failed(actor=as_bob, run_id=run.pk) == 2
    assert _statuses(run) == ["completed", "pending", "blocked"]
    complete(_fresh(two))
    steps.promote(now=timezone.now())
    complete(_fresh(three))
    assert _statuses(run) == ["completed"] * 3
    assert [task.attempt_count for task in run.tasks.order_by("position")] == [1, 2, 1]


def test_a_stopped_run_goes_on_after_a_retry(batch: Batch, begin: Give, as_bob: Actor) -> None:
    run = batch(2, stop_failed_percent=0, max_seconds=60)
    _fail(begin, run.tasks.get(position=0))
    runs.keep_limits(now=timezone.now() + timedelta(seconds=61))
    assert _statuses(run) == ["failed", "cancelled"]
    runs.retry_failed(actor=as_bob, run_id=run.pk)
    run.refresh_from_db()
    assert (_statuses(run), run.stopped_reason) == (["pending", "pending"], "")
    assert runs.keep_limits(now=timezone.now()) == 0


def test_each_retry_has_the_same_time(batch: Batch, begin: Give, as_bob: Actor) -> None:
    run = batch(2, max_seconds=60, spec={"limits": {"max_seconds": 60}})
    Run.objects.filter(pk=run.pk).update(created_at=timezone.now() - timedelta(hours=1))
    for _ in range(2):
        _fail(begin, run.tasks.get(position=0))
        runs.retry_failed(actor=as_bob, run_id=run.pk)
    run.refresh_from_db()
    assert run.deadline_at is not None
    assert run.deadline_at <= timezone.now() + timedelta(seconds=60)
    runs.keep_limits(now=timezone.now() + timedelta(seconds=61))
    run.refresh_from_db()
    assert "longer than the 60 s" in run.stopped_reason


def test_a_retry_in_a_limited_run_keeps_to_the_limit(batch: Batch, begin: Give, as_bob: Actor) -> None:
    run = batch(3, max_parallel=1)
    for position in range(3):
        _fail(begin, run.tasks.get(position=position))
        steps.promote(now=timezone.now())
    runs.retry_failed(actor=as_bob, run_id=run.pk)
    assert _statuses(run) == ["pending", "blocked", "blocked"]


def test_one_task_done_again_in_a_limited_run_that_had_ended_lets_the_others_follow(
    batch: Batch, begin: Give, complete: Complete, as_bob: Actor
) -> None:
    run = batch(2, max_parallel=1)
    for position in range(2):
        _fail(begin, run.tasks.get(position=position))
        steps.promote(now=timezone.now())
    runs.keep_limits(now=timezone.now())
    for task in run.tasks.order_by("position"):
        tasks.retry(actor=as_bob, task_id=task.pk)
    assert _statuses(run) == ["pending", "blocked"]
    complete(run.tasks.get(position=0))
    steps.promote(now=timezone.now())
    assert _statuses(run) == ["completed", "pending"]


def test_cancelling_thousands_takes_few_statements(batch: Batch, as_bob: Actor) -> None:
    run = batch(600)
    with CaptureQueriesContext(connection) as asked:
        assert runs.cancel(actor=as_bob, run_id=run.pk) == 600
    assert len(asked) < 40
    assert set(_statuses(run)) == {"cancelled"}
