"""Tasks on the wire: every word of the state language, live progress laid over rows, and nothing invented."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.models import Task
from orchestration.payloads import (
    PUBLIC_STATUS,
    Progress,
    TaskPayload,
    TaskRow,
    Wait,
    WaitingPayload,
    metrics,
    state_of,
    task_payload,
    task_row,
)
from orchestration.policy.states import ACTIVE, ENDED, UNFINISHED, TaskStatus
from tests.payloads.conftest import AT, SENT, Exactly, MakeTask

STATES = {
    "blocked": ("blocked", {}),
    "waiting": ("pending", {}),
    "retrying": ("pending", {"not_before": AT, "attempt_count": 1}),
    "starting": ("assigned", {}),
    "cancelling": ("running", {"cancel_requested_at": AT, "phase": "generating"}),
    "loading": ("running", {"phase": "loading"}),
    "prefill": ("running", {"phase": "prefill"}),
    "generating": ("running", {"phase": "generating"}),
    "completed": ("completed", {}),
    "failed": ("failed", {}),
    "cancelled": ("cancelled", {}),
}


def report(**fields: Any) -> Progress:
    told: dict[str, Any] = {"attempt_id": 9, "phase": "generating", "progress": 40, "message": "writing"}
    measured = {"output_tokens": 12, "tokens_per_second": 30.0, "phase_since": SENT}
    return Progress(**{**told, **measured, **fields})


@pytest.mark.parametrize("word", STATES)
def test_every_state_has_its_word_in_lists_and_in_the_api(make_task: MakeTask, exactly: Exactly, word: str) -> None:
    status, fields = STATES[word]
    task = make_task(status, **fields)
    row, payload = task_row(task), task_payload(task)
    exactly(TaskRow, row)
    exactly(TaskPayload, payload)
    assert (row["state"], payload["state"]) == (word, word)
    assert row["status"] == payload["status"] == PUBLIC_STATUS[TaskStatus(status)]


@pytest.mark.parametrize(
    ("status", "fields", "word"),
    [
        ("pending", {"not_before": AT}, "waiting"),
        ("pending", {"attempt_count": 1}, "waiting"),
        ("assigned", {"cancel_requested_at": AT}, "cancelling"),
        ("assigned", {"attempt_count": 3, "not_before": AT}, "starting"),
        ("cancelled", {"cancel_requested_at": AT}, "cancelled"),
        ("completed", {"cancel_requested_at": AT}, "completed"),
        ("blocked", {"not_before": AT, "attempt_count": 1}, "blocked"),
    ],
)
def test_a_mark_counts_only_in_the_state_it_belongs_to(
    make_task: MakeTask, status: str, fields: dict[str, Any], word: str
) -> None:
    assert task_row(make_task(status, **fields))["state"] == word


@pytest.mark.parametrize("phase", ["", "queued", "ended", "something new"])
def test_a_running_task_in_no_visible_phase_is_starting(make_task: MakeTask, phase: str) -> None:
    assert state_of(make_task("running"), phase) == "starting"


def test_four_public_words_for_what_clients_wait_for_and_one_for_waiting() -> None:
    assert {status: PUBLIC_STATUS[status] for status in ENDED} == {status: status.value for status in ENDED}
    unfinished = {PUBLIC_STATUS[status] for status in UNFINISHED}
    assert unfinished == {"pending", "running"}
    assert [status for status in TaskStatus if PUBLIC_STATUS[status] == "running"] == [TaskStatus.RUNNING]


# Live progress --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [task_row, task_payload])
def test_what_the_worker_last_said_goes_over_what_the_row_says(make_task: MakeTask, shape: Any) -> None:
    sent = shape(make_task("running", attempt_id=9, phase="loading", progress=1, message="old"), progress=report())
    assert (sent["state"], sent["phase"], sent["progress"], sent["message"]) == (
        "generating",
        "generating",
        40,
        "writing",
    )


@pytest.mark.parametrize("shape", [task_row, task_payload])
@pytest.mark.parametrize(
    ("status", "attempt_id"),
    [("running", 10), ("running", None), *((status, 9) for status in TaskStatus if status != "running")],
)
def test_a_report_of_another_attempt_or_of_a_task_that_does_not_run_is_not_shown(
    make_task: MakeTask, shape: Any, status: str, attempt_id: int | None
) -> None:
    task = make_task(status, attempt_id=attempt_id, phase="loading", progress=1, message="old")
    assert shape(task, progress=report()) == shape(task)
    assert (shape(task)["progress"], shape(task)["message"]) == (1, "old")


def test_live_counts_are_shown_and_missing_ones_fall_back_to_nothing(make_task: MakeTask, exactly: Exactly) -> None:
    task = make_task("running", attempt_id=9)
    row = task_row(task, progress=report())
    exactly(TaskRow, row)
    assert (row["output_tokens"], row["tokens_per_second"]) == (12, 30.0)
    row = task_row(task, progress=report(output_tokens=0, tokens_per_second=None))
    exactly(TaskRow, row)
    assert (row["output_tokens"], row["tokens_per_second"]) == (None, None)


@pytest.mark.parametrize("status", sorted(ACTIVE))
def test_being_cancelled_outweighs_every_phase(make_task: MakeTask, status: str) -> None:
    task = make_task(status, attempt_id=9, cancel_requested_at=AT)
    assert task_row(task, progress=report())["state"] == "cancelling"


def test_the_reason_for_waiting_is_told_by_those_who_know_it(make_task: MakeTask) -> None:
    assert task_row(make_task())["waiting_reason"] is None
    detail = WaitingPayload(
        code="busy",
        words="busy 4/4 on gpu-a",
        line="3rd in line",
        start="",
        place=3,
        place_latest=3,
        earliest_seconds=None,
        latest_seconds=None,
        since=None,
        expected_seconds=None,
    )
    wait = Wait("busy 4/4 on gpu-a — 3rd in line", detail)
    for sent in (task_row(make_task(), wait=wait), task_payload(make_task(), wait=wait)):
        assert (sent["waiting_reason"], sent["waiting"]) == wait


# Unknown is None ------------------------------------------------------------------------------------------------------


def test_of_a_new_task_nothing_is_claimed(make_task: MakeTask) -> None:
    row, payload = task_row(make_task(owner=None)), task_payload(make_task(owner=None))
    for sent in (row, payload):
        unknown = ("owner", "node", "attempt_id", "error", "error_code", "started_at", "waiting_reason", "waiting")
        assert {name: sent[name] for name in unknown} == dict.fromkeys(unknown)
    assert (row["model"], row["ended_at"], row["duration_seconds"]) == (None, None, None)
    assert (payload["model_name"], payload["model_used"], payload["output"]) == (None, None, None)
    assert set(payload["metrics"].values()) == {None}


def test_times_leave_in_utc(make_task: MakeTask) -> None:
    task = make_task("completed", ready_at=AT, started_at=AT, ended_at=AT)
    row, payload = task_row(task), task_payload(task)
    assert {row[name] for name in ("created_at", "ready_at", "started_at", "ended_at")} == {SENT}
    assert {payload[name] for name in ("created_at", "started_at", "completed_at")} == {SENT}


@settings(deadline=None)
@given(st.none() | st.integers(0, 10**6), st.none() | st.integers(0, 10**6), st.none() | st.floats(0, 10**6))
def test_what_was_used_is_the_sum_of_what_is_known(
    prompt: int | None, output: int | None, decode: float | None
) -> None:
    told = metrics(Task(prompt_tokens=prompt, output_tokens=output, decode_seconds=decode))
    known = [count for count in (prompt, output) if count is not None]
    assert told["tokens_used"] == (sum(known) if known else None)
    assert (told["prompt_tokens"], told["output_tokens"]) == (prompt, output)
    if output and decode:
        assert told["tokens_per_second"] == pytest.approx(output / decode)
    else:
        assert told["tokens_per_second"] is None


@pytest.mark.parametrize(
    ("asked", "used", "in_lists", "in_the_api"),
    [
        ("", "", None, None),
        ("m:1", "", "m:1", "m:1"),
        ("", "m:2", "m:2", "m:2"),
        ("m:1", "m:2", "m:2", "m:1"),
    ],
)
def test_lists_name_the_model_at_work_and_the_api_the_one_asked_for(
    make_task: MakeTask, asked: str, used: str, in_lists: str | None, in_the_api: str | None
) -> None:
    task = make_task(model_name=asked, model_used=used)
    payload = task_payload(task)
    assert (task_row(task)["model"], payload["model_name"], payload["model_used"]) == (
        in_lists,
        in_the_api,
        used or None,
    )
