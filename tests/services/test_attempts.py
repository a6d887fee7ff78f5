"""Attempts: every step is fenced by the token, ends leave nothing half done, lost work comes back."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orchestration.errors import DroverError, Refused, StreamFailed, StreamTruncated, Unreachable
from orchestration.models import Attempt, ModelConfig, Node, NodeModel, Task
from orchestration.permissions import Actor
from orchestration.policy.states import AttemptStatus, TaskStatus
from orchestration.services import attempts, tasks
from tests.services.conftest import MODEL, Give, result

WRONG = "0" * 32


def _fresh(task: Task) -> Task:
    return Task.objects.get(pk=task.pk)


# Start ----------------------------------------------------------------------------------------------------------------


def test_a_worker_gets_everything_it_needs(give: Give, submitted_task: Task, node: Node) -> None:
    ModelConfig.objects.create(model_name=MODEL, options={"temperature": 0.1, "top_k": 5}, timeout_seconds=60)
    Task.objects.update(options={"temperature": 0.9}, system_prompt="Be brief.")
    NodeModel.objects.update(loaded=True, loaded_context=4096)
    job = give(submitted_task)
    work = attempts.start(attempt_id=job.attempt_id, token=job.token, worker="worker-1")
    assert work is not None
    assert (work.base_url, work.model, work.num_ctx, work.prompt) == (node.base_url, MODEL, 4096, "Say hello.")
    assert work.options == {"temperature": 0.9, "top_k": 5, "num_ctx": 4096}
    assert work.messages == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Say hello."},
    ]
    assert work.timeout == timedelta(seconds=60)
    assert work.model_loaded
    task = _fresh(submitted_task)
    assert task.status == TaskStatus.RUNNING
    assert task.started_at is not None
    assert Attempt.objects.get().worker == "worker-1"


def test_images_go_with_the_last_thing_the_user_said(give: Give, submitted_task: Task) -> None:
    said = [
        {"role": "user", "content": "one"},
        {"role": "user", "content": "two"},
        {"role": "assistant", "content": "three"},
    ]
    Task.objects.update(type="chat", messages=said, images=["aGk="])
    job = give(submitted_task)
    work = attempts.start(attempt_id=job.attempt_id, token=job.token, worker="w")
    assert work is not None
    assert [message.get("images") for message in work.messages] == [None, ["aGk="], None]


def test_a_keep_alive_can_lengthen_the_stay_and_never_shorten_it(
    give: Give, submitted_task: Task, settings: Any
) -> None:
    Task.objects.update(keep_alive_seconds=1)
    job = give(submitted_task)
    work = attempts.start(attempt_id=job.attempt_id, token=job.token, worker="w")
    assert work is not None
    assert work.keep_alive == settings.DROVER_KEEP_ALIVE


def test_a_job_that_is_delivered_twice_starts_once(give: Give, submitted_task: Task) -> None:
    job = give(submitted_task)
    assert attempts.start(attempt_id=job.attempt_id, token=job.token, worker="one")
    assert attempts.start(attempt_id=job.attempt_id, token=job.token, worker="two") is None
    assert Attempt.objects.get().worker == "one"


def test_a_wrong_token_starts_nothing(give: Give, submitted_task: Task) -> None:
    job = give(submitted_task)
    assert attempts.start(attempt_id=job.attempt_id, token=WRONG, worker="w") is None
    assert _fresh(submitted_task).status == TaskStatus.ASSIGNED


def test_a_job_that_comes_after_the_cancel_starts_nothing(give: Give, submitted_task: Task, as_bob: Actor) -> None:
    job = give(submitted_task)
    tasks.cancel(actor=as_bob, task_id=submitted_task.pk)
    assert attempts.start(attempt_id=job.attempt_id, token=job.token, worker="w") is None
    assert _fresh(submitted_task).status == TaskStatus.CANCELLED


# Ends -----------------------------------------------------------------------------------------------------------------


def test_a_result_is_stored_once_with_where_the_time_went(begin: Give, submitted_task: Task) -> None:
    job = begin(submitted_task)
    first = timezone.now()
    done = result(first_token_at=first, thinking="Hm.", tool_calls=[{"function": {"name": "look"}}])
    assert attempts.complete(attempt_id=job.attempt_id, token=job.token, result=done)
    task, attempt = _fresh(submitted_task), Attempt.objects.get()
    assert (task.status, task.output, task.thinking, task.progress) == ("completed", "A river.", "Hm.", 100)
    assert (task.load_seconds, task.prefill_seconds, task.decode_seconds) == (1.0, 0.5, 2.0)
    assert (task.prompt_tokens, task.output_tokens, task.token) == (12, 90, "")
    assert task.tool_calls == [{"function": {"name": "look"}}]
    assert task.first_token_seconds is not None
    assert task.duration_seconds is not None
    assert (attempt.status, attempt.request) == (AttemptStatus.COMPLETED, {"model": MODEL})
    assert attempt.ended_at is not None


def test_a_success_clears_the_error_of_the_try_before(begin: Give, submitted_task: Task) -> None:
    job = begin(submitted_task)
    attempts.fail(attempt_id=job.attempt_id, token=job.token, error=Unreachable("gpu-a does not answer"))
    job = begin(submitted_task)
    attempts.complete(attempt_id=job.attempt_id, token=job.token, result=result())
    task = _fresh(submitted_task)
    assert (task.error, task.error_code, task.not_before) == ("", "", None)
    assert task.attempt_count == 2


def test_what_was_never_started_does_not_complete(give: Give, submitted_task: Task) -> None:
    job = give(submitted_task)
    assert not attempts.complete(attempt_id=job.attempt_id, token=job.token, result=result())
    assert Attempt.objects.get().ended_at is None
    assert _fresh(submitted_task).status == "assigned"


@pytest.mark.parametrize("end", ["complete", "fail", "cancelled", "give_back"])
def test_an_end_with_a_wrong_token_or_after_the_end_changes_nothing(
    end: str, begin: Give, submitted_task: Task
) -> None:
    extra: dict[str, dict[str, Any]] = {
        "complete": {"result": result(output="late")},
        "fail": {"error": Unreachable("late")},
        "cancelled": {"output": "late"},
        "give_back": {"reason": "late"},
    }
    job = begin(submitted_task)
    call = getattr(attempts, end)
    assert call(attempt_id=job.attempt_id, token=WRONG, **extra[end]) is False
    assert _fresh(submitted_task).status == TaskStatus.RUNNING
    assert attempts.complete(attempt_id=job.attempt_id, token=job.token, result=result())
    assert call(attempt_id=job.attempt_id, token=job.token, **extra[end]) is False
    assert (_fresh(submitted_task).status, _fresh(submitted_task).output) == ("completed", "A river.")


def test_an_error_that_may_pass_is_tried_again_later_elsewhere(
    begin: Give, submitted_task: Task, node: Node, settings: Any
) -> None:
    settings.DROVER_RETRY_DELAY = timedelta(seconds=4)
    job = begin(submitted_task)
    now = timezone.now()
    error = Unreachable("gpu-a does not answer")
    assert attempts.fail(attempt_id=job.attempt_id, token=job.token, error=error, now=now)
    task, attempt = _fresh(submitted_task), Attempt.objects.get()
    assert (task.status, task.tries, task.error_code) == ("pending", 1, "unreachable")
    assert task.not_before is not None
    assert timedelta(seconds=4) <= task.not_before - now <= timedelta(seconds=6)
    assert attempt.retry_at == task.not_before
    assert (task.node_id, task.node_name, task.model_used, task.started_at) == (node.pk, "", "", None)


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
        attempts.fail(attempt_id=job.attempt_id, token=job.token, error=error)
    assert Node.objects.get(pk=node.pk).failures == failures


def test_a_doubt_shortens_no_count_of_failed_looks(
    begin: Give, submitted_task: Task, node: Node, django_capture_on_commit_callbacks: Any
) -> None:
    Node.objects.update(failures=2)
    job = begin(submitted_task)
    with django_capture_on_commit_callbacks(execute=True):
        attempts.fail(attempt_id=job.attempt_id, token=job.token, error=Unreachable("connection refused by gpu-a"))
    assert Node.objects.get(pk=node.pk).failures == 2


def test_an_error_that_will_be_repeated_fails_at_once_with_its_words(begin: Give, submitted_task: Task) -> None:
    job = begin(submitted_task)
    error = Refused("gpu-a answered 400: invalid option", status=400)
    attempts.fail(attempt_id=job.attempt_id, token=job.token, error=error, output="half a sen")
    task = _fresh(submitted_task)
    assert (task.status, task.error, task.output) == ("failed", "gpu-a answered 400: invalid option", "half a sen")
    assert task.ended_at is not None
    assert task.token == ""


def test_the_last_try_is_the_last(begin: Give, submitted_task: Task) -> None:
    Task.objects.update(max_tries=2)
    for status in ("pending", "failed"):
        job = begin(submitted_task)
        attempts.fail(attempt_id=job.attempt_id, token=job.token, error=StreamFailed("out of memory"))
        assert _fresh(submitted_task).status == status
    assert _fresh(submitted_task).tries == 2


def test_a_failure_after_the_wish_to_cancel_is_a_cancel(begin: Give, submitted_task: Task, as_bob: Actor) -> None:
    job = begin(submitted_task)
    tasks.cancel(actor=as_bob, task_id=submitted_task.pk)
    attempts.fail(attempt_id=job.attempt_id, token=job.token, error=Unreachable("gone"), output="so far")
    task = _fresh(submitted_task)
    assert (task.status, task.output, task.error) == ("cancelled", "so far", "")


def test_a_cancelled_stream_keeps_what_was_written(begin: Give, submitted_task: Task, as_bob: Actor) -> None:
    job = begin(submitted_task)
    tasks.cancel(actor=as_bob, task_id=submitted_task.pk)
    assert attempts.cancelled(attempt_id=job.attempt_id, token=job.token, output="so far", thinking="hm")
    task = _fresh(submitted_task)
    assert (task.status, task.output, task.thinking) == ("cancelled", "so far", "hm")
    assert Attempt.objects.get().status == AttemptStatus.CANCELLED


def test_work_that_a_stopping_worker_gives_back_waits_again_and_is_no_try(begin: Give, submitted_task: Task) -> None:
    job = begin(submitted_task)
    assert attempts.give_back(attempt_id=job.attempt_id, token=job.token, reason="the worker stops")
    task, attempt = _fresh(submitted_task), Attempt.objects.get()
    assert (task.status, task.tries, task.not_before) == ("pending", 0, None)
    assert (attempt.status, attempt.counts_as_try, attempt.error) == ("lost", False, "the worker stops")


def test_a_model_that_is_gone_from_one_node_is_asked_for_on_another(
    begin: Give, submitted_task: Task, make_node: Callable[..., Node]
) -> None:
    gone = Refused("model 'llama3.2' not found", status=404)
    make_node("gpu-b")
    job = begin(submitted_task)
    assert attempts.fail(attempt_id=job.attempt_id, token=job.token, error=gone)
    assert _fresh(submitted_task).status == "pending"
    assert list(NodeModel.objects.filter(installed=True).values_list("node__name", flat=True)) == ["gpu-b"]


def test_a_model_that_no_other_node_has_fails_at_once(begin: Give, submitted_task: Task) -> None:
    job = begin(submitted_task)
    gone = Refused("model 'llama3.2' not found", status=404)
    assert attempts.fail(attempt_id=job.attempt_id, token=job.token, error=gone)
    assert _fresh(submitted_task).status == "failed"


def test_a_task_whose_worker_keeps_dying_is_given_up(begin: Give, submitted_task: Task, settings: Any) -> None:
    for number in range(attempts.LEASES_LOST_AT_MOST):
        assert _fresh(submitted_task).status == "pending", number
        begin(submitted_task)
        attempts.expire_leases(now=timezone.now() + settings.DROVER_LEASE * 2)
    task = _fresh(submitted_task)
    assert task.status == "failed"
    assert "died 5 times" in task.error


def test_a_persons_retry_forgets_how_often_workers_died_before(
    begin: Give, submitted_task: Task, as_bob: Actor, settings: Any
) -> None:
    for _ in range(attempts.LEASES_LOST_AT_MOST):
        begin(submitted_task)
        attempts.expire_leases(now=timezone.now() + settings.DROVER_LEASE * 2)
    tasks.retry(actor=as_bob, task_id=submitted_task.pk)
    begin(submitted_task)
    attempts.expire_leases(now=timezone.now() + settings.DROVER_LEASE * 2)
    assert _fresh(submitted_task).status == "pending"


def test_a_wish_to_cancel_that_comes_while_a_failure_is_written_is_not_lost(
    begin: Give, submitted_task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task was read before somebody else's transaction committed the wish."""

    def cancel_in_between(*_: Any, **__: Any) -> timedelta:
        Task.objects.filter(pk=submitted_task.pk).update(cancel_requested_at=timezone.now())
        return timedelta(seconds=1)

    job = begin(submitted_task)
    monkeypatch.setattr(attempts, "next_delay", cancel_in_between)
    assert attempts.fail(attempt_id=job.attempt_id, token=job.token, error=Unreachable("away"))
    assert _fresh(submitted_task).status == "cancelled"


def test_a_timeout_longer_than_time_itself_is_no_obstacle(give: Give, submitted_task: Task) -> None:
    Task.objects.update(timeout_seconds=1e300, keep_alive_seconds=1e300)
    job = give(submitted_task)
    work = attempts.start(attempt_id=job.attempt_id, token=job.token, worker="w")
    assert work is not None
    assert work.timeout is not None
    assert work.timeout > timedelta(days=3000)
    assert work.keep_alive > timedelta(days=3000)


def test_an_error_of_our_own_is_not_tried_again(begin: Give, submitted_task: Task) -> None:
    job = begin(submitted_task)
    attempts.fail(attempt_id=job.attempt_id, token=job.token, error=DroverError("a bug"))
    assert _fresh(submitted_task).status == "failed"


# Leases ---------------------------------------------------------------------------------------------------------------


def test_leases_of_a_whole_worker_are_renewed_in_two_statements(begin: Give, submit: Any, settings: Any) -> None:
    jobs = [begin(task) for task in submit("one", "two", "three").tasks.all()]
    later = timezone.now() + timedelta(seconds=10)
    with CaptureQueriesContext(connection) as queries:
        renewal = attempts.renew(tokens={job.attempt_id: job.token for job in jobs}, now=later)
    statements = [query["sql"].split()[0] for query in queries if query["sql"].split()[0] in ("SELECT", "UPDATE")]
    assert sorted(statements) == ["SELECT", "UPDATE"]
    assert renewal == attempts.Renewal()
    assert set(Attempt.objects.values_list("lease_until", flat=True)) == {later + settings.DROVER_LEASE}


def test_a_renewal_tells_what_was_lost_and_what_is_to_end(begin: Give, submit: Any, as_bob: Actor) -> None:
    keep, drop, stop = [(task, begin(task)) for task in submit("one", "two", "three").tasks.all()]
    attempts.give_back(attempt_id=drop[1].attempt_id, token=drop[1].token, reason="gone")
    tasks.cancel(actor=as_bob, task_id=stop[0].pk)
    renewal = attempts.renew(tokens={job.attempt_id: job.token for _, job in (keep, drop, stop)})
    assert renewal.lost == {drop[1].attempt_id}
    assert renewal.cancel == {stop[1].attempt_id}


def test_a_renewal_with_a_wrong_token_prolongs_nothing(begin: Give, submitted_task: Task) -> None:
    job = begin(submitted_task)
    before = Attempt.objects.get().lease_until
    assert attempts.renew(tokens={job.attempt_id: WRONG}).lost == {job.attempt_id}
    assert Attempt.objects.get().lease_until == before
    assert attempts.renew(tokens={}) == attempts.Renewal()


def test_an_ended_lease_brings_the_task_back_for_a_new_attempt(
    begin: Give, submitted_task: Task, settings: Any
) -> None:
    old = begin(submitted_task)
    assert attempts.expire_leases(now=timezone.now()) == 0
    assert attempts.expire_leases(now=timezone.now() + settings.DROVER_LEASE + timedelta(seconds=1)) == 1
    task = _fresh(submitted_task)
    assert (task.status, task.tries, task.token) == ("pending", 0, "")
    assert Attempt.objects.get().error_code == "lease_lost"
    new = begin(submitted_task)
    assert not attempts.complete(attempt_id=old.attempt_id, token=old.token, result=result(output="from the grave"))
    assert attempts.complete(attempt_id=new.attempt_id, token=new.token, result=result())
    assert (_fresh(submitted_task).output, _fresh(submitted_task).attempt_count) == ("A river.", 2)


def test_a_grant_that_no_worker_took_up_is_no_try(give: Give, submitted_task: Task, settings: Any) -> None:
    give(submitted_task)
    attempts.expire_leases(now=timezone.now() + settings.DROVER_LEASE * 2)
    attempt = Attempt.objects.get()
    assert (attempt.error_code, attempt.counts_as_try) == ("never_started", False)
    assert _fresh(submitted_task).status == "pending"


def test_a_task_that_was_to_end_ends_with_its_lease(
    begin: Give, submitted_task: Task, as_bob: Actor, settings: Any
) -> None:
    begin(submitted_task)
    tasks.cancel(actor=as_bob, task_id=submitted_task.pk)
    attempts.expire_leases(now=timezone.now() + settings.DROVER_LEASE * 2)
    assert _fresh(submitted_task).status == "cancelled"


def test_what_runs_on_a_node_that_goes_moves_on(begin: Give, submit: Any, node: Node) -> None:
    for task in submit("one", "two").tasks.all():
        begin(task)
    assert attempts.revoke_node(node_id=node.pk, reason="gpu-a stopped answering") == 2
    assert set(Task.objects.values_list("status", "tries")) == {("pending", 0)}
    assert set(Attempt.objects.values_list("error_code", "error")) == {("node_lost", "gpu-a stopped answering")}
