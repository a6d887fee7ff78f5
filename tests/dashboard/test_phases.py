"""Where the time went, and what went wrong."""

from datetime import UTC, datetime, timedelta

import pytest

from dashboard.phases import phases, took, verdict

BEGIN = datetime(2026, 11, 17, 9, 0, tzinfo=UTC)
NONE = dict.fromkeys(
    ["queued_seconds", "load_seconds", "prefill_seconds", "decode_seconds", "prompt_tokens", "output_tokens"]
)


def at(seconds):
    return (BEGIN + timedelta(seconds=seconds)).isoformat()


def task(**fields):
    whole = {
        "status": "pending",
        "phase": "",
        "completed_at": None,
        "waiting_reason": None,
        "metrics": NONE,
        "attempt_list": [],
        "error": None,
        "error_code": None,
    }
    return {**whole, **fields}


def attempt(**fields):
    return {"node": "gpu-a", "started_at": at(10), "first_token_at": None, "ended_at": None, **fields}


def seconds_of(shown):
    return {part.name: part.seconds for part in shown.parts}


def drawn(what, now=20):
    return phases(what, waited_since=BEGIN, now=BEGIN + timedelta(seconds=now))


def test_what_completed_is_measured():
    metrics = {"queued_seconds": 10, "load_seconds": 5, "prefill_seconds": 1, "decode_seconds": 4}
    shown = drawn(task(status="completed", completed_at=at(20), metrics={**NONE, **metrics, "output_tokens": 100}))
    assert [part.width for part in shown.parts] == ["50.00", "25.00", "5.00", "20.00"]
    assert shown.parts[3].note == "100 tokens · 25.0/s"
    assert shown.label == "queued 10.0 s, load 5.0 s, prefill 1.0 s, decode 4.0 s"


def test_what_waits_only_queues():
    shown = drawn(task())
    assert seconds_of(shown) == {"queued": 20, "load": None, "prefill": None, "decode": None}


def test_what_runs_is_in_its_present_phase():
    shown = drawn(task(status="running", phase="prefill", attempt_list=[attempt()]))
    assert seconds_of(shown) == {"queued": 10, "load": None, "prefill": 10, "decode": None}


def test_what_was_cancelled_is_timed_by_the_clock():
    stopped = task(
        status="cancelled", completed_at=at(18), attempt_list=[attempt(first_token_at=at(12), ended_at=at(18))]
    )
    assert seconds_of(drawn(stopped, now=99)) == {"queued": 10, "load": None, "prefill": 2, "decode": 6}


def test_an_attempt_that_never_started_took_no_time():
    assert took(attempt(started_at=None), now=BEGIN) is None
    assert took(attempt(ended_at=at(12)), now=BEGIN) == 2


@pytest.mark.parametrize("status", ["pending", "running", "completed", "cancelled"])
def test_only_failures_have_a_verdict(status):
    assert verdict(task(status=status), []) is None


@pytest.mark.parametrize(
    ("code", "cause"),
    [("unreachable", "The node could not be reached"), ("timeout", "It took longer than it may"), ("odd", "It failed")],
)
def test_a_failure_has_a_cause_and_a_fix(code, cause):
    found = verdict(task(status="failed", error_code=code, error="words"), [attempt(node="gpu-b"), attempt()])
    assert found is not None
    assert (found.cause, found.message, found.tried) == (cause, "words", "2 times, on gpu-a, then gpu-b.")
    assert found.fix


def test_a_task_that_failed_before_any_attempt_says_so():
    found = verdict(task(status="failed"), [])
    assert found is not None
    assert found.tried == "It was never started."
