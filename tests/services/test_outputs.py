"""Kept answers: what goes with their text and what stays."""

import pytest
from django.utils import timezone

from orchestration.errors import Conflict
from orchestration.models import Attempt, Run, Task
from orchestration.services import outputs, tasks


def test_removing_text_takes_what_was_asked_and_answered_and_leaves_the_numbers(submit, complete):
    task = submit("My secret question.", system="My secret system.").tasks.get()
    complete(task)
    now = timezone.now()
    assert outputs.remove_text([task.pk], now) == 1
    task.refresh_from_db()
    assert (task.input, task.output, task.system_prompt, task.messages) == ("", "", "", None)
    assert (task.prompt_tokens, task.output_tokens, task.status) == (12, 90, "completed")
    assert task.text_removed_at == now
    assert Attempt.objects.get(task=task).request is None
    assert "secret" not in str(Task.objects.filter(pk=task.pk).values()) + str(Run.objects.values())


def test_text_that_is_gone_is_not_removed_again(submit, complete):
    task = submit("Once.").tasks.get()
    complete(task)
    assert outputs.remove_text([task.pk], timezone.now()) == 1
    assert outputs.remove_text([task.pk], timezone.now()) == 0


def test_a_task_that_has_not_ended_keeps_its_text(submitted_task):
    assert outputs.remove_text([submitted_task.pk], timezone.now()) == 0
    submitted_task.refresh_from_db()
    assert submitted_task.input == "Say hello."


def test_what_has_no_text_any_more_is_not_asked_again(submit, as_bob):
    task = submit("Once.").tasks.get()
    tasks.cancel(actor=as_bob, task_id=task.pk)
    outputs.remove_text([task.pk], timezone.now())
    with pytest.raises(Conflict, match="text of task"):
        tasks.retry(actor=as_bob, task_id=task.pk)
