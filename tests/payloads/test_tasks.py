"""Tasks on the wire."""

from datetime import timedelta

import pytest
from django.utils import timezone

from orchestration import payloads
from orchestration.models import Task
from orchestration.policy.states import Phase, TaskStatus


def task(**fields):
    """A task that is nowhere stored."""
    now = timezone.now()
    return Task(**{"pk": 7, "run_id": 1, "lane_id": 1, "created_at": now, "agent_name": "writer", **fields})


def progress(**fields):
    told = {"attempt_id": 3, "phase": Phase.GENERATING, "progress": 40, "message": "12 tokens", "output_tokens": 12}
    return payloads.Progress(**{**told, "tokens_per_second": 30.0, "phase_since": "", **fields})


@pytest.mark.parametrize("status", list(TaskStatus))
def test_the_public_words_are_five(status):
    row = payloads.task_row(task(status=status))
    assert row["status"] in {"pending", "running", "completed", "failed", "cancelled"}


@pytest.mark.parametrize(
    ("fields", "phase", "state"),
    [
        ({"status": TaskStatus.BLOCKED}, "", "blocked"),
        ({"status": TaskStatus.PENDING}, "", "waiting"),
        ({"status": TaskStatus.PENDING, "not_before": timezone.now(), "attempt_count": 1}, "", "retrying"),
        ({"status": TaskStatus.ASSIGNED}, "", "starting"),
        ({"status": TaskStatus.RUNNING}, "", "starting"),
        ({"status": TaskStatus.RUNNING}, Phase.LOADING, "loading"),
        ({"status": TaskStatus.RUNNING}, Phase.PREFILL, "prefill"),
        ({"status": TaskStatus.RUNNING}, Phase.GENERATING, "generating"),
        ({"status": TaskStatus.RUNNING, "cancel_requested_at": timezone.now()}, Phase.GENERATING, "cancelling"),
        ({"status": TaskStatus.FAILED}, "", "failed"),
    ],
)
def test_each_state_has_its_word(fields, phase, state):
    assert payloads.state_of(task(**fields), phase) == state


def test_a_running_task_shows_what_its_worker_told_last():
    row = payloads.task_row(task(status=TaskStatus.RUNNING, attempt_id=3), progress=progress())
    assert (row["progress"], row["output_tokens"], row["tokens_per_second"], row["state"]) == (
        40,
        12,
        30.0,
        "generating",
    )


@pytest.mark.parametrize("fields", [{"status": TaskStatus.RUNNING, "attempt_id": 4}, {"status": TaskStatus.COMPLETED}])
def test_what_was_told_of_an_earlier_attempt_or_before_the_end_does_not_count(fields):
    row = payloads.task_row(task(**{"attempt_id": 3, **fields}), progress=progress())
    assert (row["progress"], row["output_tokens"]) == (0, None)


def test_unknown_is_nothing_and_never_zero():
    unknown = payloads.metrics(task())
    assert set(unknown.values()) == {None}
    row = payloads.task_row(task())
    assert (row["model"], row["node"], row["error"], row["owner"]) == (None, None, None, None)


def test_speed_is_of_the_generation_alone():
    known = payloads.metrics(task(output_tokens=90, prompt_tokens=10, decode_seconds=2.0, duration_seconds=60.0))
    assert (known["tokens_per_second"], known["tokens_used"]) == (45.0, 100)


def test_an_embed_task_answers_with_its_vectors():
    done = task(status=TaskStatus.COMPLETED, vectors=[[0.1, 0.2]])
    assert payloads.result(done)["output"] == [[0.1, 0.2]]


def test_a_failed_task_shows_how_far_it_came():
    assert payloads.output_of(task(status=TaskStatus.FAILED, output="Once upon")) == "Once upon"
    assert payloads.output_of(task(status=TaskStatus.FAILED)) is None


def test_times_leave_in_utc_with_milliseconds():
    at = timezone.now().replace(microsecond=123_456).astimezone(timezone.get_fixed_timezone(timedelta(hours=2)))
    assert payloads.stamp(at).endswith(".123Z")
    assert payloads.iso(None) is None


def test_shapes_are_complete():
    assert set(payloads.task_row(task())) == set(payloads.TaskRow.__annotations__)
    assert set(payloads.task_payload(task())) == set(payloads.TaskPayload.__annotations__) - {"attempt_list"}
