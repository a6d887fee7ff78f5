"""Tasks as people handle them: cancelled in every state, retried, edited, deleted, and the steps of a sequence."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orchestration import queue
from orchestration.errors import Conflict, InvalidInput, NotAllowed, NotFound, Refused, Unreachable
from orchestration.models import Attempt, AuditEntry, Run, Task
from orchestration.permissions import Actor
from orchestration.policy.states import AttemptStatus
from orchestration.services import attempts, setbacks, tasks
from tests.services.conftest import Give, result

Complete = Callable[[Task], None]


def _fresh(task: Task) -> Task:
    return Task.objects.get(pk=task.pk)


def _fail(begin: Give, task: Task) -> None:
    job = begin(task)
    setbacks.fail(attempt_id=job.attempt_id, token=job.token, error=Refused("bad option", status=400))


# Cancel ---------------------------------------------------------------------------------------------------------------


def test_a_waiting_task_is_cancelled_at_once(submitted_task: Task, as_bob: Actor) -> None:
    task = tasks.cancel(actor=as_bob, task_id=submitted_task.pk)
    assert task.status == "cancelled"
    assert task.ended_at is not None
    assert AuditEntry.objects.get(action="task.cancelled").actor_name == "bob"


def test_a_granted_task_is_cancelled_at_once_and_its_slot_is_free(
    give: Give, submitted_task: Task, as_bob: Actor
) -> None:
    give(submitted_task)
    assert tasks.cancel(actor=as_bob, task_id=submitted_task.pk).status == "cancelled"
    attempt = Attempt.objects.get()
    assert (attempt.status, attempt.counts_as_try) == (AttemptStatus.CANCELLED, False)
    assert attempt.ended_at is not None


def test_a_running_task_is_asked_to_stop_and_its_worker_told(
    begin: Give,
    submitted_task: Task,
    as_bob: Actor,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    told: list[int] = []
    monkeypatch.setattr(queue, "stop_attempt", told.append)
    job = begin(submitted_task)
    before = _fresh(submitted_task).version
    with django_capture_on_commit_callbacks(execute=True):
        task = tasks.cancel(actor=as_bob, task_id=submitted_task.pk)
    assert task.status == "running"
    assert task.cancel_requested_at is not None
    assert task.version > before
    assert told == [job.attempt_id]


def test_asking_twice_keeps_the_first_time(begin: Give, submitted_task: Task, as_bob: Actor) -> None:
    begin(submitted_task)
    first = tasks.cancel(actor=as_bob, task_id=submitted_task.pk).cancel_requested_at
    assert tasks.cancel(actor=as_bob, task_id=submitted_task.pk).cancel_requested_at == first


def test_what_has_ended_is_not_cancelled(complete: Complete, submitted_task: Task, as_bob: Actor) -> None:
    complete(submitted_task)
    with pytest.raises(Conflict, match="already ended") as refusal:
        tasks.cancel(actor=as_bob, task_id=submitted_task.pk)
    assert refusal.value.detail["status"] == "completed"
    assert not AuditEntry.objects.filter(action="task.cancelled").exists()


def test_a_task_that_fails_while_it_is_cancelled_does_not_get_another_try(
    begin: Give, submitted_task: Task, as_bob: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ran when the cancel looked, and waited for its next try when the cancel wrote."""
    job = begin(submitted_task)
    ask = tasks._ask_to_stop

    def fails_first(task: Task) -> bool:
        setbacks.fail(attempt_id=job.attempt_id, token=job.token, error=Unreachable("away"))
        return ask(task)

    monkeypatch.setattr(tasks, "_ask_to_stop", fails_first)
    assert tasks.cancel(actor=as_bob, task_id=submitted_task.pk).status == "cancelled"


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
        tasks.cancel_run(actor=actor, run_id=run_id)
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
    assert tasks.cancel_run(actor=as_bob, run_id=run.pk) == 2
    assert (_fresh(one).status, _fresh(three).status) == ("completed", "cancelled")
    assert _fresh(two).cancel_requested_at is not None


@pytest.mark.parametrize("act", ["cancel", "retry", "edit_waiting"])
def test_strangers_and_viewers_do_nothing(act: str, submitted_task: Task, as_dave: Actor, as_carol: Actor) -> None:
    for actor in (as_dave, as_carol):
        with pytest.raises(NotAllowed):
            getattr(tasks, act)(actor=actor, task_id=submitted_task.pk)
    assert _fresh(submitted_task).status == "pending"


@pytest.mark.parametrize("act", ["cancel", "retry", "edit_waiting"])
def test_a_task_that_is_not_there_is_not_found(act: str, as_alice: Actor) -> None:
    with pytest.raises(NotFound):
        getattr(tasks, act)(actor=as_alice, task_id=999)


def test_a_run_that_is_not_there_is_not_found(as_alice: Actor) -> None:
    with pytest.raises(NotFound):
        tasks.cancel_run(actor=as_alice, run_id=999)


# Retry ----------------------------------------------------------------------------------------------------------------


def test_a_retried_task_starts_as_if_it_were_new(begin: Give, submitted_task: Task, as_bob: Actor) -> None:
    _fail(begin, submitted_task)
    task = tasks.retry(actor=as_bob, task_id=submitted_task.pk)
    task.refresh_from_db()
    assert (task.status, task.tries, task.error, task.error_code, task.output) == ("pending", 0, "", "", "")
    assert (task.ended_at, task.started_at, task.duration_seconds, task.node) == (None, None, None, None)
    assert task.attempt_count == 1
    assert task.ready_at is not None
    assert task.ready_at > task.created_at


def test_a_retried_task_gets_a_new_attempt_and_can_succeed(
    begin: Give, complete: Complete, submitted_task: Task, as_bob: Actor
) -> None:
    _fail(begin, submitted_task)
    tasks.retry(actor=as_bob, task_id=submitted_task.pk)
    complete(submitted_task)
    assert (_fresh(submitted_task).status, _fresh(submitted_task).error) == ("completed", "")
    assert list(Attempt.objects.order_by("number").values_list("number", "status")) == [(1, "failed"), (2, "completed")]


def test_a_cancelled_task_can_be_retried_and_runs_without_the_old_wish(
    begin: Give, submitted_task: Task, as_bob: Actor
) -> None:
    tasks.cancel(actor=as_bob, task_id=submitted_task.pk)
    assert tasks.retry(actor=as_bob, task_id=submitted_task.pk).cancel_requested_at is None
    job = begin(submitted_task)
    assert attempts.renew(tokens={job.attempt_id: job.token}).cancel == set()


@pytest.mark.parametrize("state", ["waiting", "running", "completed"])
def test_only_what_failed_or_was_cancelled_is_retried(
    state: str, begin: Give, submitted_task: Task, as_bob: Actor
) -> None:
    if state != "waiting":
        job = begin(submitted_task)
        if state == "completed":
            attempts.complete(attempt_id=job.attempt_id, token=job.token, result=result())
    with pytest.raises(Conflict, match="only a failed or cancelled task"):
        tasks.retry(actor=as_bob, task_id=submitted_task.pk)


# Edit and delete ------------------------------------------------------------------------------------------------------


def test_priority_and_tags_of_a_waiting_task_change_with_a_new_version(submitted_task: Task, as_bob: Actor) -> None:
    task = tasks.edit_waiting(actor=as_bob, task_id=submitted_task.pk, priority=0, tags=[" a ", "a", "b"])
    assert (task.priority, task.tags) == (0, ["a", "b"])
    assert task.version > submitted_task.version
    changes = AuditEntry.objects.get(action="task.changed").detail["changes"]
    assert changes == {"priority": [1, 0], "tags": [[], ["a", "b"]]}


def test_one_of_the_two_may_be_left_out(submitted_task: Task, as_bob: Actor) -> None:
    Task.objects.update(tags=["kept"])
    assert tasks.edit_waiting(actor=as_bob, task_id=submitted_task.pk, priority=2).tags == ["kept"]
    assert tasks.edit_waiting(actor=as_bob, task_id=submitted_task.pk, tags=[]).priority == 2
    assert tasks.edit_waiting(actor=as_bob, task_id=submitted_task.pk).tags == []


@pytest.mark.parametrize("fields", [{"priority": 7}, {"tags": ["x" * 41]}, {"tags": [f"t{n}" for n in range(21)]}])
def test_a_bad_change_is_refused(fields: dict[str, Any], submitted_task: Task, as_bob: Actor) -> None:
    with pytest.raises(InvalidInput):
        tasks.edit_waiting(actor=as_bob, task_id=submitted_task.pk, **fields)


def test_a_running_task_is_not_edited(begin: Give, submitted_task: Task, as_bob: Actor) -> None:
    begin(submitted_task)
    with pytest.raises(Conflict, match="only a waiting task"):
        tasks.edit_waiting(actor=as_bob, task_id=submitted_task.pk, priority=0)
    assert not AuditEntry.objects.filter(action="task.changed").exists()


def test_ended_tasks_are_deleted_and_the_empty_run_with_them(
    submit: Callable[..., Run], complete: Complete, as_bob: Actor
) -> None:
    run = submit("one", "two")
    one, two = run.tasks.order_by("pk")
    complete(one)
    complete(two)
    assert tasks.delete_ended(actor=as_bob, task_ids=[one.pk]) == 1
    assert Run.objects.exists()
    assert tasks.delete_ended(actor=as_bob, task_ids=[two.pk, one.pk, 999]) == 1
    assert not Run.objects.exists()
    assert not Attempt.objects.exists()
    assert AuditEntry.objects.filter(action="task.deleted").count() == 2


def test_nothing_is_deleted_when_one_has_not_ended(
    submit: Callable[..., Run], complete: Complete, as_bob: Actor
) -> None:
    one, two = submit("one", "two").tasks.order_by("pk")
    complete(one)
    with pytest.raises(Conflict, match="cancel it first"):
        tasks.delete_ended(actor=as_bob, task_ids=[one.pk, two.pk])
    assert Task.objects.count() == 2
    assert not AuditEntry.objects.filter(action="task.deleted").exists()


def test_somebody_elses_task_is_not_deleted(complete: Complete, submitted_task: Task, as_dave: Actor) -> None:
    complete(submitted_task)
    with pytest.raises(NotAllowed):
        tasks.delete_ended(actor=as_dave, task_ids=[submitted_task.pk])


# Sequences ------------------------------------------------------------------------------------------------------------


def _promote() -> int:
    return tasks.promote(now=timezone.now())


def test_a_step_waits_for_the_one_before(submit: Callable[..., Run], complete: Complete) -> None:
    one, two, three = submit("one", "two", "three", sequential=True).tasks.order_by("position")
    assert [step.status for step in (one, two, three)] == ["pending", "blocked", "blocked"]
    assert _promote() == 0
    complete(one)
    assert _promote() == 1
    assert (_fresh(two).status, _fresh(three).status) == ("pending", "blocked")
    assert _fresh(two).ready_at is not None


def test_a_failed_step_ends_those_after_it_with_words(submit: Callable[..., Run], begin: Give) -> None:
    one, two, three = submit("one", "two", "three", sequential=True).tasks.order_by("position")
    _fail(begin, one)
    while _promote():
        pass
    assert [_fresh(step).status for step in (two, three)] == ["cancelled", "cancelled"]
    assert _fresh(two).error == "Step 1 “one” failed, so this one was not started."
    assert _fresh(two).error_code == "dependency_failed"


def test_all_steps_behind_a_failed_one_end_in_one_pass(submit: Callable[..., Run], begin: Give) -> None:
    one, *others = submit(*[str(number) for number in range(30)], sequential=True).tasks.order_by("position")
    _fail(begin, one)
    assert _promote() == len(others)
    last = _fresh(others[-1])
    assert (last.status, last.error_code) == ("cancelled", "dependency_failed")
    assert last.ended_at is not None
    assert last.duration_seconds is not None


def test_steps_behind_one_that_is_deleted_at_once_do_not_wait_for_ever(
    submit: Callable[..., Run], begin: Give, as_bob: Actor
) -> None:
    one, two = submit("one", "two", sequential=True).tasks.order_by("position")
    _fail(begin, one)
    tasks.delete_ended(actor=as_bob, task_ids=[one.pk])
    _promote()
    assert (_fresh(two).status, _fresh(two).error_code) == ("cancelled", "dependency_failed")


def test_many_steps_become_ready_in_a_fixed_number_of_statements(
    submit: Callable[..., Run], complete: Complete
) -> None:
    def statements(runs: int) -> int:
        for run in [submit("one", "two", sequential=True) for _ in range(runs)]:
            complete(run.tasks.get(position=0))
        with CaptureQueriesContext(connection) as asked:
            assert _promote() == runs
        return len([query for query in asked if "orchestration_task" in query["sql"]])

    assert statements(1) == statements(6)


def test_a_run_that_goes_on_after_errors_goes_on(submit: Callable[..., Run], begin: Give) -> None:
    one, two = submit("one", "two", sequential=True, continue_on_error=True).tasks.order_by("position")
    _fail(begin, one)
    assert _promote() == 1
    assert _fresh(two).status == "pending"


def test_a_step_that_is_tried_again_does_not_end_those_after_it(
    submit: Callable[..., Run], begin: Give, complete: Complete, as_bob: Actor
) -> None:
    one, two = submit("one", "two", sequential=True).tasks.order_by("position")
    job = begin(one)
    setbacks.give_back(attempt_id=job.attempt_id, token=job.token, reason="the worker stops")
    assert _promote() == 0
    assert _fresh(two).status == "blocked"
