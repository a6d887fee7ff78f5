"""Retention: what the dry run says is what the clean-up removes, and nothing that is still needed goes."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from orchestration.errors import Conflict, InvalidInput, NotAllowed, NotFound
from orchestration.models import (
    Agent,
    AuditEntry,
    Collection,
    Conversation,
    Output,
    RetentionRule,
    Run,
    Task,
    Turn,
    User,
)
from orchestration.payloads import retention as shapes
from orchestration.permissions import Actor
from orchestration.policy.states import RunKind
from orchestration.services import retention, tasks
from orchestration.services.retention import add_rule, ask_clean_up, carry_on, change_rule, remove_rule
from tests.services.cleaning import NOW, EndedTask, cleaned, rule, texts

# Rules ----------------------------------------------------------------------------------------------------------------


def test_a_rule_is_kept_for_an_agent_and_in_the_audit_trail(maintainer: Actor, agent: Agent) -> None:
    row = add_rule(actor=maintainer, agent=agent, text_days=30, task_days=365)
    assert (row.agent, row.text_days, row.task_days, row.keep_collected) == (agent, 30, 365, True)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.object_name) == ("retention.created", "retention of writer")
    assert entry.detail == {"text_days": 30, "task_days": 365, "keep_collected": True}


@pytest.mark.parametrize("of_all_others", [True, False])
def test_there_is_one_rule_for_each(maintainer: Actor, agent: Agent, of_all_others: bool) -> None:
    whose = None if of_all_others else agent
    add_rule(actor=maintainer, agent=whose, text_days=30)
    with pytest.raises(Conflict, match="a retention rule already"):
        add_rule(actor=maintainer, agent=whose, text_days=3)


def test_a_change_says_what_it_was_before(maintainer: Actor) -> None:
    row = add_rule(actor=maintainer, agent=None, text_days=30)
    change_rule(actor=maintainer, rule_id=row.pk, text_days=7, task_days=None)
    assert RetentionRule.objects.get().text_days == 7
    assert AuditEntry.objects.first().detail == {"changes": {"text_days": [30, 7]}}  # type: ignore[union-attr]
    remove_rule(actor=maintainer, rule_id=row.pk)
    assert not RetentionRule.objects.exists()
    with pytest.raises(NotFound):
        remove_rule(actor=maintainer, rule_id=row.pk)


def test_a_rule_that_makes_no_sense_is_refused_with_its_field(maintainer: Actor) -> None:
    with pytest.raises(InvalidInput) as caught:
        add_rule(actor=maintainer, agent=None, text_days=30, task_days=7)
    assert caught.value.detail["field"] == "task_days"
    assert not RetentionRule.objects.exists()


def test_who_may_not_touch_the_work_of_others_may_not_have_it_removed(as_bob: Actor, ended_task: EndedTask) -> None:
    with pytest.raises(NotAllowed):
        add_rule(actor=as_bob, agent=None, text_days=1)
    with pytest.raises(NotAllowed):
        ask_clean_up(actor=as_bob)


# What goes ------------------------------------------------------------------------------------------------------------


def test_texts_go_at_their_age_and_the_numbers_stay(ended_task: EndedTask) -> None:
    old, young = ended_task(30), ended_task(29.99)
    rule(text_days=30)
    done = cleaned()
    assert texts() == {young.pk}
    old.refresh_from_db()
    assert (old.output, old.output_tokens, old.text_removed_at is not None) == ("", 5, True)
    assert done["total"]["texts"] == 1
    assert done["total"]["tasks"] == 0
    assert done["total"]["bytes"] >= len("Name a river.The Elbe.")
    assert done["by_agent"][0]["agent"] == "writer"
    assert done["by_agent"][0]["oldest"] == "2026-02-08T12:00:00.000Z"


def test_nothing_goes_twice(ended_task: EndedTask) -> None:
    ended_task(40)
    rule(text_days=30)
    assert cleaned()["total"]["texts"] == 1
    assert cleaned()["total"] == {"texts": 0, "tasks": 0, "bytes": 0, "oldest": None, "newest": None}


def test_without_a_rule_everything_stays(ended_task: EndedTask) -> None:
    ended_task(4000)
    assert cleaned()["total"]["texts"] == 0
    rule(text_days=None)
    assert cleaned()["total"]["texts"] == 0


def test_an_agent_goes_by_its_own_rule_and_all_others_by_the_other(
    ended_task: EndedTask, make_agent: Callable[..., Agent]
) -> None:
    poet, scribe = make_agent("poet"), make_agent("scribe")
    rule(poet, text_days=100)
    rule(scribe)
    rule(text_days=10)
    kept = {
        ended_task(50, agent=poet).pk,
        ended_task(500, agent=scribe).pk,
        ended_task(5).pk,
        ended_task(5, agent=None).pk,
    }
    ended_task(200, agent=poet), ended_task(50), ended_task(50, agent=None)
    done = cleaned()
    assert texts() == kept
    assert {row["agent"]: row["texts"] for row in done["by_agent"]} == {"poet": 1, "writer": 1, "gone": 1}


def test_a_rule_for_one_agent_leaves_all_others_alone(ended_task: EndedTask, make_agent: Callable[..., Agent]) -> None:
    poet = make_agent("poet")
    rule(poet, text_days=10)
    ended_task(50, agent=poet)
    other = ended_task(50)
    cleaned()
    assert texts() == {other.pk}


def test_whatever_has_ended_goes_and_nothing_that_has_not(ended_task: EndedTask) -> None:
    ended_task(50, "failed"), ended_task(50, "cancelled")
    waiting = [
        ended_task(50, status, created_at=NOW - timedelta(days=50)) for status in ("pending", "blocked", "running")
    ]
    rule(text_days=10, task_days=20)
    cleaned()
    assert set(Task.objects.values_list("pk", flat=True)) == {task.pk for task in waiting}


def test_what_steps_that_follow_will_need_stays(ended_task: EndedTask, bob: User) -> None:
    run = Run.objects.create(kind=RunKind.WORKFLOW, owner=bob)
    first, _ = ended_task(50, run=run), ended_task(0, "pending", run=run)
    rule(text_days=10, task_days=20)
    assert cleaned()["total"]["texts"] == 0
    assert first.pk in texts()


def test_a_run_goes_as_a_whole_or_not_at_all(ended_task: EndedTask, bob: User) -> None:
    run = Run.objects.create(kind=RunKind.BATCH, owner=bob)
    ended_task(50, run=run)
    young = ended_task(5, run=run)
    whole = ended_task(50)
    rule(task_days=10)
    assert cleaned()["total"]["tasks"] == 1
    assert not Run.objects.filter(pk=whole.run_id).exists()
    assert run.tasks.count() == 2
    Task.objects.filter(pk=young.pk).update(ended_at=NOW - timedelta(days=11))
    assert cleaned()["total"]["tasks"] == 2
    assert not Run.objects.exists()


def test_texts_of_a_run_that_stays_go_all_the_same(ended_task: EndedTask, bob: User) -> None:
    run = Run.objects.create(kind=RunKind.BATCH, owner=bob)
    ended_task(50, run=run)
    young = ended_task(5, run=run)
    rule(text_days=10, task_days=40)
    done = cleaned()
    assert (done["total"]["texts"], done["total"]["tasks"]) == (1, 0)
    assert texts() == {young.pk}


def test_a_task_that_goes_as_a_whole_is_not_counted_for_its_text_as_well(ended_task: EndedTask) -> None:
    ended_task(50), ended_task(15)
    rule(text_days=10, task_days=40)
    done = cleaned()
    assert (done["total"]["texts"], done["total"]["tasks"]) == (1, 1)


def test_items_go_with_their_step_and_are_counted(ended_task: EndedTask, bob: User) -> None:
    run = Run.objects.create(kind=RunKind.WORKFLOW, owner=bob)
    step = ended_task(50, run=run, step="each")
    for _ in range(3):
        ended_task(49, run=run, parent=step)
    rule(task_days=10)
    assert cleaned()["total"]["tasks"] == 4
    assert not Task.objects.exists()


@pytest.mark.parametrize("kept", [True, False])
def test_what_is_in_a_collection_is_kept_where_the_rule_says_so(ended_task: EndedTask, kept: bool) -> None:
    collected, other = ended_task(50), ended_task(50)
    Collection.objects.create(name="good").outputs.add(Output.objects.get(task=collected))
    rule(text_days=10, keep_collected=kept)
    assert cleaned()["total"]["texts"] == (1 if kept else 2)
    assert texts() == ({collected.pk} if kept else set())
    assert other.pk not in texts()


def test_a_collected_answer_keeps_its_whole_run(ended_task: EndedTask, bob: User) -> None:
    run = Run.objects.create(kind=RunKind.BATCH, owner=bob)
    collected, other = ended_task(50, run=run), ended_task(50, run=run)
    Collection.objects.create(name="good").outputs.add(Output.objects.get(task=collected))
    rule(task_days=10)
    assert cleaned()["total"]["tasks"] == 0
    assert Task.objects.filter(pk=other.pk).exists()


# Conversations --------------------------------------------------------------------------------------------------------


@pytest.fixture
def talk(ended_task: EndedTask, bob: User) -> Conversation:
    """Two turns, one of them old."""
    found = Conversation.objects.create(owner=bob, agent_name="writer", title="Name a river")
    first = Turn.objects.create(conversation=found, text="Name a river.", task=ended_task(50))
    found.head = Turn.objects.create(conversation=found, text="Another.", task=ended_task(5), parent=first)
    found.save()
    return found


def test_a_turn_loses_its_text_and_keeps_its_place(talk: Conversation) -> None:
    rule(text_days=10)
    cleaned()
    first, second = talk.turns.all()
    assert (first.text, first.text_removed_at is not None) == ("", True)
    assert (second.text, second.parent_id, second.text_removed_at) == ("Another.", first.pk, None)
    talk.refresh_from_db()
    assert talk.title == "Name a river"


def test_the_title_goes_with_the_last_text(talk: Conversation) -> None:
    rule(text_days=1)
    cleaned()
    talk.refresh_from_db()
    assert talk.title == ""


def test_a_turn_whose_task_goes_is_empty_and_the_conversation_goes_with_its_last_one(talk: Conversation) -> None:
    rule(task_days=10)
    cleaned()
    first, _ = talk.turns.all()
    assert (first.task, first.text, first.text_removed_at is not None) == (None, "", True)
    cleaned(NOW + timedelta(days=30))
    assert not Conversation.objects.exists()


# Asking for it --------------------------------------------------------------------------------------------------------


def test_a_clean_up_goes_by_the_rules_of_the_moment_it_was_asked_for(ended_task: EndedTask, maintainer: Actor) -> None:
    ended_task(50)
    row = rule(text_days=10)
    clean_up = ask_clean_up(actor=maintainer, as_of=NOW)
    assert (clean_up.by_name, clean_up.scheduled, clean_up.counts) == ("alice", False, {"expected": 1})
    row.delete()
    done = carry_on(go_on=lambda: True)
    assert done is not None
    assert shapes.removal_of(done).total.texts == 1
    assert list(AuditEntry.objects.values_list("action", flat=True)) == ["cleanup.done", "cleanup.asked"]


def test_nothing_is_done_when_more_would_go_than_was_looked_at(ended_task: EndedTask, maintainer: Actor) -> None:
    ended_task(50), ended_task(51)
    rule(text_days=10)
    with pytest.raises(Conflict, match="2 tasks match by now, not 1"):
        ask_clean_up(actor=maintainer, as_of=NOW, expected=1)
    assert ask_clean_up(actor=maintainer, as_of=NOW, expected=2)


def test_many_have_to_be_expected(ended_task: EndedTask, maintainer: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "UNCONFIRMED", 1)
    ended_task(50), ended_task(51)
    rule(text_days=10)
    with pytest.raises(Conflict, match="say that you expect 2"):
        ask_clean_up(actor=maintainer, as_of=NOW)


def test_a_clean_up_of_nothing_and_a_second_one_are_refused(ended_task: EndedTask, maintainer: Actor) -> None:
    rule(text_days=10)
    with pytest.raises(Conflict, match="Nothing has been kept"):
        ask_clean_up(actor=maintainer, as_of=NOW)
    ended_task(50)
    ask_clean_up(actor=maintainer, as_of=NOW)
    with pytest.raises(Conflict, match="under way"):
        ask_clean_up(actor=maintainer, as_of=NOW)


def test_the_moment_may_not_be_one_to_come(maintainer: Actor) -> None:
    with pytest.raises(InvalidInput, match="to come"):
        ask_clean_up(actor=maintainer, as_of=timezone.now() + timedelta(hours=1))


def test_a_failed_task_without_text_cannot_be_asked_again(ended_task: EndedTask, as_alice: Actor) -> None:
    task = ended_task(50, "failed")
    rule(text_days=10)
    cleaned()
    with pytest.raises(Conflict, match="removed"):
        tasks.retry(actor=as_alice, task_id=task.pk)
