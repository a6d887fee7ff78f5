"""Attempts: every step is fenced by the token, ends leave nothing half done, lost work comes back."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orchestration import events
from orchestration.errors import Unreachable
from orchestration.models import Attempt, ModelConfig, Node, NodeModel, Task
from orchestration.permissions import Actor
from orchestration.policy.states import AttemptStatus, TaskStatus
from orchestration.queries import facts
from orchestration.services import attempts, setbacks, tasks
from tests.conftest import RedisServer
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


@pytest.mark.django_db(transaction=True)
def test_what_loses_its_node_before_it_starts_goes_on_at_once_and_is_told(
    give: Give, submitted_task: Task, redis_server: RedisServer
) -> None:
    job = give(submitted_task)
    Attempt.objects.update(node=None)
    redis_server.flush()
    assert attempts.start(attempt_id=job.attempt_id, token=job.token, worker="worker-1") is None
    assert _fresh(submitted_task).status == TaskStatus.PENDING
    assert redis_server.client.llen(events.WAKE) == 1
    ((_, entry),) = redis_server.client.xrange(events.EVENTS)
    assert json.loads(entry["d"])["status"] == "pending"


def test_what_was_cancelled_before_it_starts_is_not_told_of_a_node(give: Give, submitted_task: Task) -> None:
    job = give(submitted_task)
    Task.objects.update(cancel_requested_at=timezone.now())
    assert attempts.start(attempt_id=job.attempt_id, token=job.token, worker="worker-1") is None
    assert _fresh(submitted_task).status == TaskStatus.CANCELLED
    attempt = Attempt.objects.get()
    assert (attempt.status, attempt.error) == (AttemptStatus.CANCELLED, "")


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


def _statements(queries: CaptureQueriesContext) -> list[str]:
    words = [query["sql"].split()[0].strip('"') for query in queries]
    return [word for word in words if word in ("SELECT", "UPDATE", "INSERT", "DELETE")]


def test_many_start_in_a_fixed_number_of_statements(give: Give, submit: Any) -> None:
    waiting = list(submit(*"abcdef").tasks.order_by("pk"))
    jobs = [give(task) for task in waiting]
    counts = []
    for some in (jobs[:1], jobs[1:]):
        with CaptureQueriesContext(connection) as queries, facts.shared():
            works = attempts.start_many([(job.attempt_id, job.token) for job in some], worker="w")
        counts.append(_statements(queries))
        assert [work.attempt_id for work in works if work] == [job.attempt_id for job in some]
    assert counts[0] == counts[1]
    assert set(Task.objects.values_list("status", "version")) == {("running", 2)}
    assert set(Attempt.objects.values_list("status", "worker")) == {("running", "w")}


def test_of_many_those_that_may_not_start_do_not_keep_the_others_from_it(
    give: Give, submit: Any, as_bob: Actor
) -> None:
    good, cancelled, unwanted, stolen, other = submit("a", "b", "c", "d", "e").tasks.order_by("pk")
    jobs = {task.pk: give(task) for task in (good, cancelled, unwanted, stolen, other)}
    tasks.cancel(actor=as_bob, task_id=cancelled.pk)
    Task.objects.filter(pk=unwanted.pk).update(cancel_requested_at=timezone.now())
    Task.objects.filter(pk=stolen.pk).update(token=WRONG)
    claims = [(job.attempt_id, job.token) for job in jobs.values()]
    claims[-1] = (claims[-1][0], WRONG)
    works = attempts.start_many([*claims, claims[0]], worker="w")
    assert [work and work.task_id for work in works] == [good.pk, None, None, None, None, None]
    assert [_fresh(task).status for task in (good, cancelled, unwanted, stolen, other)] == [
        *("running", "cancelled", "cancelled", "assigned", "assigned")
    ]
    states = dict(Attempt.objects.values_list("task_id", "status"))
    assert [states[task.pk] for task in (good, cancelled, unwanted, stolen, other)] == [
        *("running", "cancelled", "cancelled", "lost", "granted")
    ]


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
    assert (attempt.inside_seconds, attempt.settled) == (0.5, False)
    assert task.tool_calls == [{"function": {"name": "look"}}]
    assert task.first_token_seconds is not None
    assert task.duration_seconds is not None
    assert (attempt.status, attempt.request) == (AttemptStatus.COMPLETED, {"model": MODEL})
    assert attempt.ended_at is not None


def test_a_success_clears_the_error_of_the_try_before(begin: Give, submitted_task: Task) -> None:
    job = begin(submitted_task)
    setbacks.fail(attempt_id=job.attempt_id, token=job.token, error=Unreachable("gpu-a does not answer"))
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


def test_many_complete_in_a_fixed_number_of_statements_each_with_its_own_result(begin: Give, submit: Any) -> None:
    jobs = [begin(task) for task in submit(*"abcdef").tasks.order_by("pk")]
    counts = []
    for some in (jobs[:1], jobs[1:]):
        done = [attempts.Success(job.attempt_id, job.token, result(output=f"of {job.attempt_id}")) for job in some]
        NodeModel.objects.update(loaded=True, loaded_context=4096)
        with CaptureQueriesContext(connection) as queries, facts.shared():
            assert attempts.complete_many(done) == [True] * len(some)
        counts.append(_statements(queries))
    assert counts[0] == counts[1]
    assert {(task.status, task.output, task.version) for task in Task.objects.all()} == {
        ("completed", f"of {job.attempt_id}", 3) for job in jobs
    }
    assert set(Attempt.objects.values_list("status", "output_tokens")) == {("completed", 90)}


def test_of_many_only_those_that_are_still_ours_complete_and_each_once(begin: Give, give: Give, submit: Any) -> None:
    good, gone, waiting = submit("a", "b", "c").tasks.order_by("pk")
    jobs = [begin(good), begin(gone), give(waiting)]
    setbacks.give_back(attempt_id=jobs[1].attempt_id, token=jobs[1].token, reason="the worker stops")
    done = [attempts.Success(job.attempt_id, job.token, result(output="first")) for job in jobs]
    again = attempts.Success(jobs[0].attempt_id, jobs[0].token, result(output="second"))
    stolen = attempts.Success(jobs[0].attempt_id, WRONG, result(output="third"))
    assert attempts.complete_many([stolen, *done, again]) == [False, True, False, False, False]
    assert [(_fresh(task).status, _fresh(task).output) for task in (good, gone, waiting)] == [
        ("completed", "first"),
        ("pending", ""),
        ("assigned", ""),
    ]


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
    call = getattr(attempts, end, None) or getattr(setbacks, end)
    assert call(attempt_id=job.attempt_id, token=WRONG, **extra[end]) is False
    assert _fresh(submitted_task).status == TaskStatus.RUNNING
    assert attempts.complete(attempt_id=job.attempt_id, token=job.token, result=result())
    assert call(attempt_id=job.attempt_id, token=job.token, **extra[end]) is False
    assert (_fresh(submitted_task).status, _fresh(submitted_task).output) == ("completed", "A river.")


def test_a_cancelled_stream_keeps_what_was_written(begin: Give, submitted_task: Task, as_bob: Actor) -> None:
    job = begin(submitted_task)
    tasks.cancel(actor=as_bob, task_id=submitted_task.pk)
    assert attempts.cancelled(attempt_id=job.attempt_id, token=job.token, output="so far", thinking="hm")
    task = _fresh(submitted_task)
    assert (task.status, task.output, task.thinking) == ("cancelled", "so far", "hm")
    assert Attempt.objects.get().status == AttemptStatus.CANCELLED


def test_a_timeout_longer_than_time_itself_is_no_obstacle(give: Give, submitted_task: Task) -> None:
    Task.objects.update(timeout_seconds=1e300, keep_alive_seconds=1e300)
    job = give(submitted_task)
    work = attempts.start(attempt_id=job.attempt_id, token=job.token, worker="w")
    assert work is not None
    assert work.timeout is not None
    assert work.timeout > timedelta(days=3000)
    assert work.keep_alive > timedelta(days=3000)


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
    setbacks.give_back(attempt_id=drop[1].attempt_id, token=drop[1].token, reason="gone")
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
