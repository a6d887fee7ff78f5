"""Attempts that end badly: tried again, failed, cancelled or given up, and never twice."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from orchestration import queue
from orchestration.errors import (
    DroverError,
    InternalError,
    InvalidAnswer,
    Refused,
    StreamFailed,
    StreamTruncated,
    Unreachable,
)
from orchestration.models import Agent, Attempt, Node, NodeModel, Task
from orchestration.permissions import Actor
from orchestration.policy.retries import Verdict
from orchestration.services import attempts, setbacks, tasks
from tests.services.conftest import Give, result


def _fresh(task: Task) -> Task:
    return Task.objects.get(pk=task.pk)


def test_an_error_that_may_pass_is_tried_again_later_elsewhere(
    begin: Give, submitted_task: Task, node: Node, make_node: Callable[..., Node], settings: Any
) -> None:
    settings.DROVER_RETRY_DELAY = timedelta(seconds=4)
    make_node("gpu-b")
    job = begin(submitted_task)
    now = timezone.now()
    error = Unreachable("gpu-a does not answer")
    assert setbacks.fail(attempt_id=job.attempt_id, token=job.token, error=error, now=now)
    task, attempt = _fresh(submitted_task), Attempt.objects.get()
    assert (task.status, task.tries, task.error_code) == ("pending", 1, "unreachable")
    assert task.not_before is not None
    assert timedelta(seconds=4) <= task.not_before - now <= timedelta(seconds=6)
    assert attempt.retry_at == task.not_before
    assert (task.node_id, task.node_name, task.model_used, task.started_at) == (node.pk, "", "", None)


def test_the_tokens_of_a_failed_attempt_are_kept(begin: Give, submitted_task: Task) -> None:
    job = begin(submitted_task)
    metrics = result().metrics
    setbacks.fail(attempt_id=job.attempt_id, token=job.token, error=InvalidAnswer("no JSON"), metrics=metrics)
    task, attempt = _fresh(submitted_task), Attempt.objects.get()
    assert (task.status, task.prompt_tokens, task.output_tokens) == ("failed", 12, 90)
    assert (attempt.prompt_tokens, attempt.output_tokens) == (12, 90)


@pytest.mark.parametrize(
    ("error", "failures"),
    [
        (Unreachable("connection refused by gpu-a"), 1),
        (StreamTruncated("The connection to gpu-a was lost", cause="lost"), 1),
        (StreamTruncated("gpu-a ended its answer early", cause="ended_early"), 0),
        (Refused("out of memory", status=500), 0),
    ],
)
def test_a_broken_connection_puts_the_node_in_doubt_and_no_other_error_does(
    begin: Give,
    submitted_task: Task,
    node: Node,
    error: DroverError,
    failures: int,
    django_capture_on_commit_callbacks: Any,
) -> None:
    job = begin(submitted_task)
    with django_capture_on_commit_callbacks(execute=True):
        setbacks.fail(attempt_id=job.attempt_id, token=job.token, error=error)
    assert Node.objects.get(pk=node.pk).failures == failures


def test_a_doubt_shortens_no_count_of_failed_looks(
    begin: Give, submitted_task: Task, node: Node, django_capture_on_commit_callbacks: Any
) -> None:
    Node.objects.update(failures=2)
    job = begin(submitted_task)
    with django_capture_on_commit_callbacks(execute=True):
        setbacks.fail(attempt_id=job.attempt_id, token=job.token, error=Unreachable("connection refused by gpu-a"))
    assert Node.objects.get(pk=node.pk).failures == 2


def test_an_error_that_will_be_repeated_fails_at_once_with_its_words(begin: Give, submitted_task: Task) -> None:
    job = begin(submitted_task)
    error = Refused("gpu-a answered 400: invalid option", status=400)
    setbacks.fail(attempt_id=job.attempt_id, token=job.token, error=error, output="half a sen")
    task = _fresh(submitted_task)
    assert (task.status, task.error, task.output) == ("failed", "gpu-a answered 400: invalid option", "half a sen")
    assert task.ended_at is not None
    assert task.token == ""


def test_the_last_try_is_the_last(begin: Give, submitted_task: Task) -> None:
    Task.objects.update(own_max_tries=2)
    for status in ("pending", "failed"):
        job = begin(submitted_task)
        setbacks.fail(attempt_id=job.attempt_id, token=job.token, error=StreamFailed("out of memory"))
        assert _fresh(submitted_task).status == status
    assert _fresh(submitted_task).tries == 2


def test_a_failure_after_the_wish_to_cancel_is_a_cancel(begin: Give, submitted_task: Task, as_bob: Actor) -> None:
    job = begin(submitted_task)
    tasks.cancel(actor=as_bob, task_id=submitted_task.pk)
    setbacks.fail(attempt_id=job.attempt_id, token=job.token, error=Unreachable("gone"), output="so far")
    task = _fresh(submitted_task)
    assert (task.status, task.output, task.error) == ("cancelled", "so far", "")


def test_work_that_a_stopping_worker_gives_back_waits_again_and_is_no_try(begin: Give, submitted_task: Task) -> None:
    job = begin(submitted_task)
    assert setbacks.give_back(attempt_id=job.attempt_id, token=job.token, reason="the worker stops")
    task, attempt = _fresh(submitted_task), Attempt.objects.get()
    assert (task.status, task.tries, task.not_before) == ("pending", 0, None)
    assert (attempt.status, attempt.counts_as_try, attempt.error) == ("lost", False, "the worker stops")


def test_a_model_that_is_gone_from_one_node_is_asked_for_on_another(
    begin: Give, submitted_task: Task, make_node: Callable[..., Node]
) -> None:
    gone = Refused("model 'llama3.2' not found", status=404)
    make_node("gpu-b")
    job = begin(submitted_task)
    assert setbacks.fail(attempt_id=job.attempt_id, token=job.token, error=gone)
    assert _fresh(submitted_task).status == "pending"
    assert list(NodeModel.objects.filter(installed=True).values_list("node__name", flat=True)) == ["gpu-b"]


def test_a_model_that_no_other_node_has_fails_at_once(begin: Give, submitted_task: Task) -> None:
    job = begin(submitted_task)
    gone = Refused("model 'llama3.2' not found", status=404)
    assert setbacks.fail(attempt_id=job.attempt_id, token=job.token, error=gone)
    assert _fresh(submitted_task).status == "failed"


def test_a_task_whose_worker_keeps_dying_is_given_up(begin: Give, submitted_task: Task, settings: Any) -> None:
    for number in range(setbacks.LEASES_LOST_AT_MOST):
        assert _fresh(submitted_task).status == "pending", number
        begin(submitted_task)
        setbacks.expire_leases(now=timezone.now() + settings.DROVER_LEASE * 2)
    task = _fresh(submitted_task)
    assert task.status == "failed"
    assert "died 5 times" in task.error


def test_a_persons_retry_forgets_how_often_workers_died_before(
    begin: Give, submitted_task: Task, as_bob: Actor, settings: Any
) -> None:
    for _ in range(setbacks.LEASES_LOST_AT_MOST):
        begin(submitted_task)
        setbacks.expire_leases(now=timezone.now() + settings.DROVER_LEASE * 2)
    tasks.retry(actor=as_bob, task_id=submitted_task.pk)
    begin(submitted_task)
    setbacks.expire_leases(now=timezone.now() + settings.DROVER_LEASE * 2)
    assert _fresh(submitted_task).status == "pending"


def test_a_wish_to_cancel_that_comes_while_a_failure_is_written_is_not_lost(
    begin: Give, submitted_task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task was read before somebody else's transaction committed the wish."""

    def cancel_in_between(*_: Any, **__: Any) -> Verdict:
        Task.objects.filter(pk=submitted_task.pk).update(cancel_requested_at=timezone.now())
        return Verdict(delay=timedelta(seconds=1), words="Tried again")

    job = begin(submitted_task)
    monkeypatch.setattr(setbacks, "judge", cancel_in_between)
    assert setbacks.fail(attempt_id=job.attempt_id, token=job.token, error=Unreachable("away"))
    assert _fresh(submitted_task).status == "cancelled"


def test_an_error_of_our_own_is_not_tried_again(begin: Give, submitted_task: Task) -> None:
    job = begin(submitted_task)
    setbacks.fail(attempt_id=job.attempt_id, token=job.token, error=DroverError("a bug"))
    assert _fresh(submitted_task).status == "failed"


def test_an_ended_lease_brings_the_task_back_for_a_new_attempt(
    begin: Give, submitted_task: Task, settings: Any
) -> None:
    old = begin(submitted_task)
    assert setbacks.expire_leases(now=timezone.now()) == 0
    assert setbacks.expire_leases(now=timezone.now() + settings.DROVER_LEASE + timedelta(seconds=1)) == 1
    task = _fresh(submitted_task)
    assert (task.status, task.tries, task.token) == ("pending", 0, "")
    assert Attempt.objects.get().error_code == "lease_lost"
    new = begin(submitted_task)
    assert not attempts.complete(attempt_id=old.attempt_id, token=old.token, result=result(output="from the grave"))
    assert attempts.complete(attempt_id=new.attempt_id, token=new.token, result=result())
    assert (_fresh(submitted_task).output, _fresh(submitted_task).attempt_count) == ("A river.", 2)


def test_a_grant_that_no_worker_took_up_is_no_try(give: Give, submitted_task: Task, settings: Any) -> None:
    give(submitted_task)
    setbacks.expire_leases(now=timezone.now() + settings.DROVER_LEASE * 2)
    attempt = Attempt.objects.get()
    assert (attempt.error_code, attempt.counts_as_try) == ("never_started", False)
    assert _fresh(submitted_task).status == "pending"


def test_a_task_that_was_to_end_ends_with_its_lease(
    begin: Give, submitted_task: Task, as_bob: Actor, settings: Any
) -> None:
    begin(submitted_task)
    tasks.cancel(actor=as_bob, task_id=submitted_task.pk)
    setbacks.expire_leases(now=timezone.now() + settings.DROVER_LEASE * 2)
    assert _fresh(submitted_task).status == "cancelled"


def test_what_runs_on_a_node_that_goes_moves_on(begin: Give, submit: Any, node: Node) -> None:
    for task in submit("one", "two").tasks.all():
        begin(task)
    assert setbacks.revoke_node(node_id=node.pk, reason="gpu-a stopped answering") == 2
    assert set(Task.objects.values_list("status", "tries")) == {("pending", 0)}
    assert set(Attempt.objects.values_list("error_code", "error")) == {("node_lost", "gpu-a stopped answering")}


def test_an_attempt_says_what_follows_from_its_failure(
    begin: Give, submitted_task: Task, make_node: Callable[..., Node], settings: Any
) -> None:
    settings.DROVER_RETRY_DELAY = timedelta(0)
    make_node("gpu-b")
    job = begin(submitted_task)
    setbacks.fail(attempt_id=job.attempt_id, token=job.token, error=StreamFailed("the runner died"))
    attempt = Attempt.objects.get()
    assert attempt.follow_up == "Tried again after 0.0 s, on another node where one is free"
    assert attempt.node_fault


def test_what_is_not_tried_again_says_why_and_a_bad_request_is_not_the_nodes_fault(
    begin: Give, submitted_task: Task
) -> None:
    job = begin(submitted_task)
    setbacks.fail(attempt_id=job.attempt_id, token=job.token, error=Refused("invalid option", status=400))
    attempt = Attempt.objects.get()
    assert attempt.follow_up == "Not tried again: it would end the same way"
    assert not attempt.node_fault


def test_the_agents_retries_are_those_of_the_moment_of_the_failure(
    begin: Give, submitted_task: Task, agent: Agent
) -> None:
    job = begin(submitted_task)
    Agent.objects.update(max_tries=7, retry_delay_seconds=60, retry_on=["refused"])
    now = timezone.now()
    busy = Refused("server busy", status=503)
    setbacks.fail(attempt_id=job.attempt_id, token=job.token, error=busy, now=now)
    task = _fresh(submitted_task)
    assert (task.status, task.max_tries) == ("pending", 7)
    assert task.not_before is not None
    assert timedelta(seconds=60) <= task.not_before - now <= timedelta(seconds=90)


def test_a_code_that_the_agent_did_not_choose_fails_at_once(begin: Give, submitted_task: Task) -> None:
    job = begin(submitted_task)
    Agent.objects.update(retry_on=["timeout"])
    setbacks.fail(attempt_id=job.attempt_id, token=job.token, error=Unreachable("away"))
    assert _fresh(submitted_task).status == "failed"


def test_a_fault_of_ours_does_not_make_the_node_one_to_avoid(
    begin: Give, submitted_task: Task, make_node: Callable[..., Node]
) -> None:
    make_node("gpu-b")
    Agent.objects.update(retry_on=["internal_error"])
    job = begin(submitted_task)
    setbacks.fail(attempt_id=job.attempt_id, token=job.token, error=InternalError("a fault inside Drover"))
    task = _fresh(submitted_task)
    assert (task.status, task.node_id) == ("pending", None)


def test_a_preempted_task_goes_back_to_its_old_place_and_uses_up_no_try(
    begin: Give,
    submitted_task: Task,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    stopped: list[int] = []
    monkeypatch.setattr(queue, "stop_attempt", stopped.append)
    before = _fresh(submitted_task)
    job = begin(submitted_task)
    with django_capture_on_commit_callbacks(execute=True):
        assert setbacks.preempt(attempt_id=job.attempt_id, reason="made way for a high task")
    task, attempt = _fresh(submitted_task), Attempt.objects.get()
    assert (task.status, task.tries, task.preemptions, task.not_before) == ("pending", 0, 1, None)
    assert (task.line_at, task.ready_at) == (before.line_at, before.ready_at)
    assert (attempt.status, attempt.error_code, attempt.counts_as_try) == ("lost", "preempted", False)
    assert attempt.error == "made way for a high task"
    assert attempt.follow_up == setbacks.FREE
    assert stopped == [job.attempt_id]
    assert not attempts.complete(attempt_id=job.attempt_id, token=job.token, result=result(output="too late"))


def test_what_has_ended_cannot_be_preempted(begin: Give, submitted_task: Task) -> None:
    job = begin(submitted_task)
    assert attempts.complete(attempt_id=job.attempt_id, token=job.token, result=result())
    assert not setbacks.preempt(attempt_id=job.attempt_id, reason="made way")
    task = _fresh(submitted_task)
    assert (task.status, task.preemptions) == ("completed", 0)


def test_a_task_may_start_again_when_its_back_off_is_over_and_not_before(begin: Give, submitted_task: Task) -> None:
    job = begin(submitted_task)
    setbacks.fail(attempt_id=job.attempt_id, token=job.token, error=Unreachable("away"))
    waiting = _fresh(submitted_task)
    assert waiting.not_before is not None
    assert setbacks.release_due(now=waiting.not_before - timedelta(microseconds=1)) == 0
    assert setbacks.release_due(now=waiting.not_before) == 1
    released = _fresh(submitted_task)
    assert (released.status, released.not_before, released.version) == ("pending", None, waiting.version + 1)
    assert setbacks.release_due(now=waiting.not_before) == 0


def test_many_that_are_due_come_back_in_portions(submit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    submit("one", "two", "three")
    now = timezone.now()
    Task.objects.update(not_before=now)
    monkeypatch.setattr(setbacks, "RELEASED_AT_ONCE", 2)
    assert [setbacks.release_due(now=now) for _ in range(3)] == [2, 1, 0]
