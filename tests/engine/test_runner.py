"""One attempt against a simulated server: what is asked, what is written, whatever happens."""

import asyncio
import threading
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from orchestration.engine import requests
from orchestration.engine.handles import StopReason
from orchestration.models import Node
from orchestration.policy.states import AttemptStatus, TaskStatus
from orchestration.services import attempts
from tests.engine.conftest import SLOW, VECTORS, granted, wait_until

pytestmark = pytest.mark.usefixtures("redis_server")


def after(gpu, phase, reason):
    """Stops the attempt when the server has come to this phase."""

    async def stop(handle):
        await asyncio.to_thread(wait_until, lambda: gpu.state()["phases"][phase])
        handle.stop(reason)

    return stop


def test_a_chat_is_answered(grant, run):
    attempt = granted(grant, type="chat", input="Hello", system_prompt="Be brief.")
    task = run(attempt)
    assert task.status == TaskStatus.COMPLETED
    assert task.output
    assert attempt.request["path"] == "/api/chat"
    assert [message["role"] for message in attempt.request["messages"]] == ["system", "user"]
    assert attempt.request["keep_alive"] > 0


def test_texts_are_embedded(grant, run):
    task = run(granted(grant, type="embed", model=VECTORS, input=["one", "two"], options={}))
    assert task.status == TaskStatus.COMPLETED
    assert len(task.vectors) == 2
    assert len(task.vectors[0]) > 100


def test_an_answer_without_a_word_is_an_answer(grant, run):
    task = run(granted(grant, input=""))
    assert (task.status, task.output) == (TaskStatus.COMPLETED, "")


def test_tokens_and_times_are_the_servers_own(grant, run, gpu):
    task = run(granted(grant))
    assert (task.output_tokens, task.prompt_tokens) == (20, gpu.state()["requests"][0]["prompt_tokens"])
    assert task.decode_seconds > 0
    assert task.first_token_seconds > 0


def test_what_the_server_refuses_is_not_tried_again(grant, run):
    task = run(granted(grant, model="missing:latest"))
    assert (task.status, task.error_code) == (TaskStatus.FAILED, "refused")
    assert "not found" in task.error


@pytest.mark.parametrize(
    ("fault", "code"), [("truncate", "stream_truncated"), ("error_line", "stream_failed"), ("drop", "stream_truncated")]
)
def test_a_stream_that_breaks_is_tried_again(grant, run, gpu, fault, code):
    gpu.faults({"kind": fault, "after_tokens": 5, "count": 1})
    attempt = granted(grant)
    task = run(attempt)
    assert (task.status, task.tries) == (TaskStatus.PENDING, 1)
    assert (attempt.status, attempt.error_code) == (AttemptStatus.FAILED, code)
    assert task.not_before > timezone.now() - timedelta(seconds=5)


def test_a_server_that_is_gone_is_named(grant, run, gpu):
    gpu.faults({"kind": "refuse"})
    attempt = granted(grant)
    assert run(attempt).status == TaskStatus.PENDING
    assert attempt.error_code == "unreachable"


def test_an_address_that_may_not_be_called_is_not_called(grant, run):
    attempt = granted(grant)
    Node.objects.update(base_url="http://169.254.169.254")
    task = run(attempt)
    assert (task.status, task.error_code) == (TaskStatus.FAILED, "invalid_node_address")


def test_a_task_that_takes_too_long_fails_for_good(grant, run, gpu):
    task = run(granted(grant, model=SLOW, options={"num_predict": 2000}, timeout_seconds=2.5))
    assert (task.status, task.error_code) == (TaskStatus.FAILED, "timeout")
    assert task.output
    assert wait_until(lambda: gpu.state()["counts"]["disconnects"]["decode"]) == 1


def test_a_type_no_worker_knows_fails_with_its_name(grant, run):
    task = run(granted(grant, type="juggle"))
    assert (task.status, task.error_code) == (TaskStatus.FAILED, "extension_failed")
    assert "juggle" in task.error


def test_a_fault_of_our_own_fails_the_attempt_and_is_logged(grant, run, monkeypatch, caplog):
    def break_down(work):
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(requests, "arguments", break_down)
    task = run(granted(grant))
    assert (task.status, task.error_code) == (TaskStatus.FAILED, "internal_error")
    assert "oops" not in task.error
    assert "ZeroDivisionError: oops" in caplog.text


def test_what_cannot_be_started_for_a_fault_of_our_own_fails_instead_of_coming_back(grant, run, monkeypatch, caplog):
    def broken(*_):
        raise ValueError("a bug")

    monkeypatch.setattr(attempts, "work_of", broken)
    task = run(granted(grant))
    assert (task.status, task.error_code) == (TaskStatus.FAILED, "internal_error")
    assert "could not be started" in caplog.text


def test_cancelled_while_it_writes_it_keeps_what_was_written(grant, run, gpu):
    attempt = granted(grant, model=SLOW, options={"num_predict": 2000})

    async def stop(handle):
        await asyncio.to_thread(
            wait_until, lambda: gpu.state()["requests"][-1:] and gpu.state()["requests"][-1]["tokens"]
        )
        await asyncio.sleep(0.2)
        handle.stop(StopReason.CANCELLED)

    task = run(attempt, during=stop)
    assert (task.status, attempt.status) == (TaskStatus.CANCELLED, AttemptStatus.CANCELLED)
    assert task.output
    assert gpu.state()["counts"]["disconnects"]["decode"] == 1


def test_given_back_it_waits_again_and_costs_no_try(grant, run, gpu):
    attempt = granted(grant, model=SLOW, options={"num_predict": 2000})
    task = run(attempt, during=after(gpu, "decode", StopReason.SHUTDOWN))
    assert (task.status, task.tries) == (TaskStatus.PENDING, 0)
    assert (attempt.status, attempt.counts_as_try) == (AttemptStatus.LOST, False)


def test_lost_it_writes_nothing(grant, run, gpu):
    attempt = granted(grant, model=SLOW, options={"num_predict": 2000})
    task = run(attempt, during=after(gpu, "decode", StopReason.LOST))
    assert (task.status, attempt.ended_at) == (TaskStatus.RUNNING, None)


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (StopReason.CANCELLED, TaskStatus.CANCELLED),
        (StopReason.SHUTDOWN, TaskStatus.PENDING),
        (StopReason.LOST, TaskStatus.ASSIGNED),
    ],
)
def test_stopped_before_its_start_it_asks_no_server(grant, run, gpu, reason, status):
    assert run(granted(grant), stop=reason).status == status
    assert gpu.state()["counts"]["requests"] == {}


def test_a_second_delivery_does_nothing(grant, run, gpu):
    attempt = granted(grant)
    run(attempt)
    assert run(attempt).status == TaskStatus.COMPLETED
    assert gpu.state()["counts"]["requests"] == {"/api/generate": 1}


def test_a_stop_that_comes_while_the_result_is_written_changes_nothing(grant, run, monkeypatch):
    writing, stopped = threading.Event(), threading.Event()
    complete = attempts.complete

    def complete_late(**arguments):
        writing.set()
        assert stopped.wait(10)
        return complete(**arguments)

    async def stop(handle):
        await asyncio.to_thread(writing.wait, 10)
        handle.stop(StopReason.CANCELLED)
        stopped.set()

    monkeypatch.setattr(attempts, "complete", complete_late)
    assert run(granted(grant), during=stop).status == TaskStatus.COMPLETED


def test_a_lease_that_cannot_be_renewed_in_time_ends_the_stream(grant, run, gpu, settings, monkeypatch):
    """The database is away: somebody else may soon run the task."""
    settings.DROVER_LEASE, settings.DROVER_LEASE_RENEW = timedelta(seconds=1), timedelta(seconds=0.2)

    def away(**arguments):
        raise OperationalError("away")

    monkeypatch.setattr(attempts, "renew", away)
    attempt = granted(grant, model=SLOW, options={"num_predict": 2000})
    task = run(attempt)
    assert (task.status, attempt.ended_at) == (TaskStatus.RUNNING, None)
    assert wait_until(lambda: sum(gpu.state()["counts"]["disconnects"].values())) == 1


def test_a_renewed_lease_outlives_its_first_length(grant, run, settings):
    settings.DROVER_LEASE, settings.DROVER_LEASE_RENEW = timedelta(seconds=1), timedelta(seconds=0.2)
    attempt = granted(grant, model=SLOW, options={"num_predict": 60})
    assert run(attempt).status == TaskStatus.COMPLETED
    assert attempt.ended_at - attempt.started_at > timedelta(seconds=1)
