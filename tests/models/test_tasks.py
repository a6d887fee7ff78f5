"""Moves of a task: legal ones happen once, the others are an outcome."""

import pytest

from orchestration.models import Attempt, Task
from orchestration.policy.states import TASK_SOURCES, TaskStatus


@pytest.fixture
def at(submitted_task):
    """The task, put at this point of its life past all rules."""

    def put(status, **fields):
        Task.objects.filter(pk=submitted_task.pk).update(status=status, **fields)
        submitted_task.refresh_from_db()
        return submitted_task

    return put


@pytest.mark.parametrize("source", list(TaskStatus))
@pytest.mark.parametrize("target", list(TaskStatus))
def test_a_task_moves_only_along_the_table(at, source, target):
    task = at(source)
    moved = Task.objects.transition(task.pk, target)
    task.refresh_from_db()
    assert moved is (source in TASK_SOURCES[target])
    assert task.status == (target if moved else source)


def test_each_move_is_a_new_version_and_sets_what_its_state_owns(at):
    task = at(TaskStatus.RUNNING)
    assert Task.objects.transition(task.pk, TaskStatus.COMPLETED, output="done", progress=100)
    before, _ = task.version, task.refresh_from_db()
    assert (task.version, task.output, task.progress) == (before + 1, "done", 100)


def test_of_two_who_move_it_one_is_first(at):
    task = at(TaskStatus.RUNNING)
    assert Task.objects.transition(task.pk, TaskStatus.COMPLETED) is True
    assert Task.objects.transition(task.pk, TaskStatus.CANCELLED) is False


def test_a_token_that_does_not_hold_the_task_any_more_moves_nothing(at):
    task = at(TaskStatus.RUNNING, token="second")
    assert Task.objects.transition(task.pk, TaskStatus.COMPLETED, held_by="first") is False
    assert Task.objects.transition(task.pk, TaskStatus.COMPLETED, held_by="second") is True


def test_many_move_in_one_statement(submit, django_assert_num_queries):
    run = submit("one", "two", "three")
    with django_assert_num_queries(1):
        assert run.tasks.all().transition_all(TaskStatus.CANCELLED) == 3


def test_a_task_without_attempts_waits_since_it_was_made(submitted_task):
    submitted_task.ready_at = None
    assert submitted_task.waited_since == submitted_task.created_at
    assert not Attempt.objects.exists()
