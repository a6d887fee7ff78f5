"""Kept answers: what goes with their text and what stays."""

import pytest
from django.utils import timezone

from orchestration.errors import Conflict, InvalidInput, NotAllowed, NotFound
from orchestration.models import Attempt, AuditEntry, Output, Run, Task
from orchestration.queries.output_filter import OutputFilter
from orchestration.queries.search import newest
from orchestration.services import gathering, outputs, tasks


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


@pytest.fixture
def kept(submit, answer):
    task = submit("Name a fish.").tasks.get()
    answer(task, "A pike.")
    gathering.gather(seconds=0)
    return Output.objects.get(pk=task.pk)


def found(**kinds: frozenset[str]) -> list[int]:
    return newest(OutputFilter(text="pike", **kinds), 10)


def test_the_owner_rates_tags_and_notes_and_the_filters_know_at_once(kept, as_bob):
    row = outputs.edit(actor=as_bob, task_id=kept.pk, rating=4, tags=["sea", "food"], note=" Good. ")
    assert (row.rating, row.rated_by_name, row.note) == (4, "bob", "Good.")
    assert found(rating=frozenset({"4"})) == found(tag=frozenset({"food"})) == [kept.pk]
    outputs.edit(actor=as_bob, task_id=kept.pk, rating=None, tags=["sea"])
    assert found(rating=frozenset({"4"})) == found(tag=frozenset({"food"})) == []
    assert found(rating=frozenset({"none"}), tag=frozenset({"sea"})) == [kept.pk]
    entry = AuditEntry.objects.filter(action="output.changed").latest("pk")
    assert entry.detail["changes"] == {"rating": [4, None], "tags": [["food", "sea"], ["sea"]]}


def test_what_changes_nothing_is_not_written_down(kept, as_bob):
    outputs.edit(actor=as_bob, task_id=kept.pk, rating=None, note="")
    assert not AuditEntry.objects.filter(action="output.changed").exists()


@pytest.mark.parametrize("fields", [{"rating": 0}, {"rating": 6}, {"rating": True}, {"note": "x" * 5000}])
def test_odd_ratings_and_endless_notes_are_refused(kept, as_bob, fields):
    with pytest.raises(InvalidInput):
        outputs.edit(actor=as_bob, task_id=kept.pk, **fields)


def test_strangers_and_viewers_change_nothing_but_maintainers_do(kept, as_alice, as_carol, as_dave):
    for actor in (as_carol, as_dave):
        with pytest.raises(NotAllowed):
            outputs.edit(actor=actor, task_id=kept.pk, rating=1)
    assert outputs.edit(actor=as_alice, task_id=kept.pk, rating=1).rated_by_name == "alice"


def test_there_is_nothing_to_rate_before_an_answer_is_kept(submitted_task, as_bob):
    with pytest.raises(NotFound):
        outputs.edit(actor=as_bob, task_id=submitted_task.pk, rating=1)
