"""Tasks as people handle them: cancelled in every state, retried, edited, deleted."""

from collections.abc import Callable
from typing import Any

import pytest

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
