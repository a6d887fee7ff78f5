"""Attempts: the database counts the slots, whatever the scheduler believes."""

from collections.abc import Callable

import pytest
from django.utils import timezone

from orchestration.models import Attempt, Node
from tests.models.conftest import MakeAttempt, MakeTask, Refused


def end(attempt: Attempt) -> None:
    Attempt.objects.filter(pk=attempt.pk).update(ended_at=timezone.now(), status="completed")


def test_a_slot_is_held_by_one_attempt(make_task: MakeTask, make_attempt: MakeAttempt, refused: Refused) -> None:
    make_attempt(make_task())
    with refused():
        make_attempt(make_task())
    assert Attempt.objects.count() == 1


def test_a_slot_is_free_again_when_its_attempt_has_ended(make_task: MakeTask, make_attempt: MakeAttempt) -> None:
    for _ in range(3):
        end(make_attempt(make_task()))
    make_attempt(make_task())
    assert Attempt.objects.filter(slot=0).count() == 4


def test_an_ended_attempt_cannot_come_back_to_a_taken_slot(
    make_task: MakeTask, make_attempt: MakeAttempt, refused: Refused
) -> None:
    first = make_attempt(make_task())
    end(first)
    make_attempt(make_task())
    with refused():
        Attempt.objects.filter(pk=first.pk).update(ended_at=None)


@pytest.mark.parametrize("other", [{"slot": 1}, {"model_name": "phi4:latest"}, {"num_ctx": 8192}])
def test_slots_are_counted_for_each_model_and_context(
    make_task: MakeTask, make_attempt: MakeAttempt, other: dict[str, object]
) -> None:
    make_attempt(make_task())
    assert make_attempt(make_task(), **other).pk


def test_slots_are_counted_for_each_node(
    make_task: MakeTask, make_attempt: MakeAttempt, make_node: Callable[..., Node]
) -> None:
    make_attempt(make_task())
    assert make_attempt(make_task(), node=make_node("gpu-b")).pk


def test_a_task_has_one_live_attempt(make_task: MakeTask, make_attempt: MakeAttempt, refused: Refused) -> None:
    task = make_task()
    first = make_attempt(task)
    with refused():
        make_attempt(task, number=2, slot=1)
    end(first)
    assert make_attempt(task, number=2, slot=1).pk


def test_the_attempts_of_a_task_have_different_numbers(
    make_task: MakeTask, make_attempt: MakeAttempt, refused: Refused
) -> None:
    task = make_task()
    end(make_attempt(task))
    with refused():
        make_attempt(task, number=1)
    assert make_attempt(make_task(), number=1).pk


def test_a_token_belongs_to_one_attempt_for_ever(
    make_task: MakeTask, make_attempt: MakeAttempt, refused: Refused
) -> None:
    first = make_attempt(make_task())
    end(first)
    with refused():
        make_attempt(make_task(), token=first.token)


def test_attempts_on_a_removed_node_keep_its_name_and_hold_no_slot(
    make_task: MakeTask, make_attempt: MakeAttempt, make_node: Callable[..., Node]
) -> None:
    one, two = make_node("gpu-b"), make_node("gpu-c")
    attempts = [make_attempt(make_task(), node=node) for node in (one, two)]
    one.delete()
    two.delete()
    for attempt, name in zip(attempts, ("gpu-b", "gpu-c"), strict=True):
        attempt.refresh_from_db()
        assert (attempt.node_id, attempt.node_name, attempt.ended_at) == (None, name, None)


def test_attempts_go_with_their_task_and_leave_others_alone(make_task: MakeTask, make_attempt: MakeAttempt) -> None:
    gone, kept = make_task(), make_task()
    make_attempt(gone)
    make_attempt(kept, slot=1)
    gone.delete()
    assert list(Attempt.objects.values_list("task", flat=True)) == [kept.pk]


def test_a_slot_below_zero_is_kept_out_by_the_database(
    make_task: MakeTask, make_attempt: MakeAttempt, refused: Refused
) -> None:
    with refused():
        make_attempt(make_task(), slot=-1)


def test_the_name_of_its_job_tells_attempts_apart(make_task: MakeTask, make_attempt: MakeAttempt) -> None:
    task = make_task()
    first = make_attempt(task)
    end(first)
    second = make_attempt(task, number=2)
    assert first.job_id == f"attempt-{first.pk}"
    assert first.job_id != second.job_id
    assert str(second) == f"attempt 2 of task {task.pk}"
    assert list(task.attempts.all()) == [second, first]
