"""Retention: what the dry run says is what the clean-up removes, and nothing that is still needed goes."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.utils import timezone

from orchestration.errors import Conflict, InvalidInput, NotAllowed, NotFound
from orchestration.models import (
    Agent,
    AuditEntry,
    CleanUp,
    Collection,
    Conversation,
    Lane,
    Output,
    RetentionRule,
    Run,
    Task,
    Turn,
    User,
)
from orchestration.payloads import retention as shapes
from orchestration.permissions import Actor, Role
from orchestration.policy.states import RunKind, TaskStatus
from orchestration.queries import retention as queries
from orchestration.services import retention, tasks
from orchestration.services.retention import add_rule, ask_clean_up, carry_on, change_rule, remove_rule, schedule

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
Make = Callable[..., Task]


@pytest.fixture
def maintainer(as_alice: Actor) -> Actor:
    return replace(as_alice, role=Role.MAINTAINER)


@pytest.fixture
def make(agent: Agent, bob: User) -> Make:
    """A task that ended so many days ago, in a run of its own unless told otherwise."""
    lane = Lane.objects.create(key="k", models=["llama3.2:latest"], num_ctx=4096)

    def make_task(days: float, status: str = "completed", **fields: Any) -> Task:
        owner = fields.get("agent", agent)
        name = owner.name if owner else "gone"
        run = fields.pop("run", None) or Run.objects.create(kind="single", owner=bob, agent_name=name, title="A river")
        at = NOW - timedelta(days=days)
        kept = {"run": run, "owner": bob, "agent": agent, "agent_name": name, "lane": lane, "type": "generate"}
        said = {"title": "Name a river", "input": "Name a river.", "output": "The Elbe." * (status == "completed")}
        ended = {"ended_at": at if status in ("completed", "failed", "cancelled") else None}
        task = Task.objects.create(status=TaskStatus(status), **{**kept, **said, **ended, "output_tokens": 5, **fields})
        if status == "completed":
            Output.objects.create(task=task, agent_name=name, type="generate", ended_at=at)
        return task

    return make_task


def rule(agent: Agent | None = None, **fields: Any) -> RetentionRule:
    return RetentionRule.objects.create(agent=agent, **fields)


def asked(as_of: datetime = NOW) -> CleanUp:
    among = queries.rules()
    rules = [
        {name: getattr(each, name) for name in ("agent_id", "agent", "text_days", "task_days", "keep_collected")}
        for each in among
    ]
    return CleanUp.objects.create(at=timezone.now(), by_name="alice", as_of=as_of, rules=rules)


def cleaned(as_of: datetime = NOW) -> dict[str, Any]:
    """What was removed, as the dry run tells it; that both say the same is part of every test here."""
    planned = queries.dry_run(as_of)
    asked(as_of)
    row = carry_on(go_on=lambda: True)
    assert row is not None
    assert row.ended_at is not None
    done = shapes.clean_up(row)
    assert {name: done[name] for name in ("as_of", "total", "by_agent", "rules")} == planned
    return dict(done)


def texts() -> set[int]:
    """Tasks that have theirs."""
    return set(Task.objects.exclude(input="").values_list("pk", flat=True))


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


def test_who_may_not_touch_the_work_of_others_may_not_have_it_removed(as_bob: Actor, make: Make) -> None:
    with pytest.raises(NotAllowed):
        add_rule(actor=as_bob, agent=None, text_days=1)
    with pytest.raises(NotAllowed):
        ask_clean_up(actor=as_bob)


# What goes ------------------------------------------------------------------------------------------------------------


def test_texts_go_at_their_age_and_the_numbers_stay(make: Make) -> None:
    old, young = make(30), make(29.99)
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


def test_nothing_goes_twice(make: Make) -> None:
    make(40)
    rule(text_days=30)
    assert cleaned()["total"]["texts"] == 1
    assert cleaned()["total"] == {"texts": 0, "tasks": 0, "bytes": 0, "oldest": None, "newest": None}


def test_without_a_rule_everything_stays(make: Make) -> None:
    make(4000)
    assert cleaned()["total"]["texts"] == 0
    rule(text_days=None)
    assert cleaned()["total"]["texts"] == 0


def test_an_agent_goes_by_its_own_rule_and_all_others_by_the_other(
    make: Make, make_agent: Callable[..., Agent]
) -> None:
    poet, scribe = make_agent("poet"), make_agent("scribe")
    rule(poet, text_days=100)
    rule(scribe)
    rule(text_days=10)
    kept = {make(50, agent=poet).pk, make(500, agent=scribe).pk, make(5).pk, make(5, agent=None).pk}
    make(200, agent=poet), make(50), make(50, agent=None)
    done = cleaned()
    assert texts() == kept
    assert {row["agent"]: row["texts"] for row in done["by_agent"]} == {"poet": 1, "writer": 1, "gone": 1}


def test_a_rule_for_one_agent_leaves_all_others_alone(make: Make, make_agent: Callable[..., Agent]) -> None:
    poet = make_agent("poet")
    rule(poet, text_days=10)
    make(50, agent=poet)
    other = make(50)
    cleaned()
    assert texts() == {other.pk}


def test_whatever_has_ended_goes_and_nothing_that_has_not(make: Make) -> None:
    make(50, "failed"), make(50, "cancelled")
    waiting = [make(50, status, created_at=NOW - timedelta(days=50)) for status in ("pending", "blocked", "running")]
    rule(text_days=10, task_days=20)
    cleaned()
    assert set(Task.objects.values_list("pk", flat=True)) == {task.pk for task in waiting}


def test_what_steps_that_follow_will_need_stays(make: Make, bob: User) -> None:
    run = Run.objects.create(kind=RunKind.WORKFLOW, owner=bob)
    first, _ = make(50, run=run), make(0, "pending", run=run)
    rule(text_days=10, task_days=20)
    assert cleaned()["total"]["texts"] == 0
    assert first.pk in texts()


def test_a_run_goes_as_a_whole_or_not_at_all(make: Make, bob: User) -> None:
    run = Run.objects.create(kind=RunKind.BATCH, owner=bob)
    make(50, run=run)
    young = make(5, run=run)
    whole = make(50)
    rule(task_days=10)
    assert cleaned()["total"]["tasks"] == 1
    assert not Run.objects.filter(pk=whole.run_id).exists()
    assert run.tasks.count() == 2
    Task.objects.filter(pk=young.pk).update(ended_at=NOW - timedelta(days=11))
    assert cleaned()["total"]["tasks"] == 2
    assert not Run.objects.exists()


def test_texts_of_a_run_that_stays_go_all_the_same(make: Make, bob: User) -> None:
    run = Run.objects.create(kind=RunKind.BATCH, owner=bob)
    make(50, run=run)
    young = make(5, run=run)
    rule(text_days=10, task_days=40)
    done = cleaned()
    assert (done["total"]["texts"], done["total"]["tasks"]) == (1, 0)
    assert texts() == {young.pk}


def test_a_task_that_goes_as_a_whole_is_not_counted_for_its_text_as_well(make: Make) -> None:
    make(50), make(15)
    rule(text_days=10, task_days=40)
    done = cleaned()
    assert (done["total"]["texts"], done["total"]["tasks"]) == (1, 1)


def test_items_go_with_their_step_and_are_counted(make: Make, bob: User) -> None:
    run = Run.objects.create(kind=RunKind.WORKFLOW, owner=bob)
    step = make(50, run=run, step="each")
    for _ in range(3):
        make(49, run=run, parent=step)
    rule(task_days=10)
    assert cleaned()["total"]["tasks"] == 4
    assert not Task.objects.exists()


@pytest.mark.parametrize("kept", [True, False])
def test_what_is_in_a_collection_is_kept_where_the_rule_says_so(make: Make, kept: bool) -> None:
    collected, other = make(50), make(50)
    Collection.objects.create(name="good").outputs.add(Output.objects.get(task=collected))
    rule(text_days=10, keep_collected=kept)
    assert cleaned()["total"]["texts"] == (1 if kept else 2)
    assert texts() == ({collected.pk} if kept else set())
    assert other.pk not in texts()


def test_a_collected_answer_keeps_its_whole_run(make: Make, bob: User) -> None:
    run = Run.objects.create(kind=RunKind.BATCH, owner=bob)
    collected, other = make(50, run=run), make(50, run=run)
    Collection.objects.create(name="good").outputs.add(Output.objects.get(task=collected))
    rule(task_days=10)
    assert cleaned()["total"]["tasks"] == 0
    assert Task.objects.filter(pk=other.pk).exists()


# Conversations --------------------------------------------------------------------------------------------------------


@pytest.fixture
def talk(make: Make, bob: User) -> Conversation:
    """Two turns, one of them old."""
    found = Conversation.objects.create(owner=bob, agent_name="writer", title="Name a river")
    first = Turn.objects.create(conversation=found, text="Name a river.", task=make(50))
    found.head = Turn.objects.create(conversation=found, text="Another.", task=make(5), parent=first)
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


def test_a_clean_up_goes_by_the_rules_of_the_moment_it_was_asked_for(make: Make, maintainer: Actor) -> None:
    make(50)
    row = rule(text_days=10)
    clean_up = ask_clean_up(actor=maintainer, as_of=NOW)
    assert (clean_up.by_name, clean_up.scheduled, clean_up.counts) == ("alice", False, {"expected": 1})
    row.delete()
    done = carry_on(go_on=lambda: True)
    assert done is not None
    assert shapes.removal_of(done).total.texts == 1
    assert list(AuditEntry.objects.values_list("action", flat=True)) == ["cleanup.done", "cleanup.asked"]


def test_nothing_is_done_when_more_would_go_than_was_looked_at(make: Make, maintainer: Actor) -> None:
    make(50), make(51)
    rule(text_days=10)
    with pytest.raises(Conflict, match="2 tasks match by now, not 1"):
        ask_clean_up(actor=maintainer, as_of=NOW, expected=1)
    assert ask_clean_up(actor=maintainer, as_of=NOW, expected=2)


def test_many_have_to_be_expected(make: Make, maintainer: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "UNCONFIRMED", 1)
    make(50), make(51)
    rule(text_days=10)
    with pytest.raises(Conflict, match="say that you expect 2"):
        ask_clean_up(actor=maintainer, as_of=NOW)


def test_a_clean_up_of_nothing_and_a_second_one_are_refused(make: Make, maintainer: Actor) -> None:
    rule(text_days=10)
    with pytest.raises(Conflict, match="Nothing has been kept"):
        ask_clean_up(actor=maintainer, as_of=NOW)
    make(50)
    ask_clean_up(actor=maintainer, as_of=NOW)
    with pytest.raises(Conflict, match="under way"):
        ask_clean_up(actor=maintainer, as_of=NOW)


def test_the_moment_may_not_be_one_to_come(maintainer: Actor) -> None:
    with pytest.raises(InvalidInput, match="to come"):
        ask_clean_up(actor=maintainer, as_of=timezone.now() + timedelta(hours=1))


# Piece by piece -------------------------------------------------------------------------------------------------------


@pytest.fixture
def in_twos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "PIECE", 2)


@pytest.mark.usefixtures("in_twos")
@pytest.mark.parametrize("fields", [{"text_days": 10}, {"task_days": 10}, {"text_days": 10, "task_days": 40}])
def test_many_pieces_are_one_clean_up(make: Make, bob: User, fields: dict[str, Any]) -> None:
    run = Run.objects.create(kind=RunKind.BATCH, owner=bob)
    for days in (50, 50, 50, 50, 50, 20, 20):
        make(days)
        make(days, run=run)
    total = cleaned_with(fields)["total"]
    assert total["texts"] + total["tasks"] == 14


def cleaned_with(fields: dict[str, Any]) -> dict[str, Any]:
    rule(**fields)
    return cleaned()


@pytest.mark.usefixtures("in_twos")
def test_what_is_broken_off_is_taken_up_again_and_counted_on(make: Make) -> None:
    for _ in range(5):
        make(50)
    rule(text_days=10)
    planned = queries.dry_run(NOW)
    asked()
    answers = iter([True, False])
    assert carry_on(go_on=lambda: next(answers)) is None
    row = CleanUp.objects.get()
    assert (row.ended_at, shapes.clean_up(row)["status"], len(texts())) == (None, "running", 3)
    done = carry_on(go_on=lambda: True)
    assert done is not None
    assert shapes.clean_up(done)["total"] == planned["total"]


@pytest.mark.usefixtures("in_twos")
def test_who_stops_it_keeps_what_is_left(make: Make, maintainer: Actor) -> None:
    for _ in range(5):
        make(50)
    rule(text_days=10)
    clean_up = ask_clean_up(actor=maintainer, as_of=NOW)
    pieces = []

    def stopping() -> bool:
        pieces.append(1)
        if len(pieces) == 2:
            retention.stop_clean_up(actor=maintainer, clean_up_id=clean_up.pk)
        return True

    assert carry_on(go_on=stopping) is None
    clean_up.refresh_from_db()
    assert (shapes.clean_up(clean_up)["status"], clean_up.stopped_by_name, len(texts())) == ("stopped", "alice", 3)
    with pytest.raises(Conflict, match="has ended"):
        retention.stop_clean_up(actor=maintainer, clean_up_id=clean_up.pk)
    assert carry_on(go_on=lambda: True) is None


@pytest.mark.usefixtures("in_twos")
def test_a_run_that_is_begun_is_brought_to_its_end_when_somebody_stops_it(
    make: Make, bob: User, maintainer: Actor
) -> None:
    big = Run.objects.create(kind=RunKind.BATCH, owner=bob)
    for _ in range(5):
        make(50, run=big)
    other = make(50)
    rule(task_days=10)
    clean_up = ask_clean_up(actor=maintainer, as_of=NOW)
    stops = iter([lambda: retention.stop_clean_up(actor=maintainer, clean_up_id=clean_up.pk)])

    def stopping() -> bool:
        next(stops, lambda: None)()
        return True

    assert carry_on(go_on=stopping) is None
    assert set(Task.objects.values_list("pk", flat=True)) == {other.pk}
    clean_up.refresh_from_db()
    assert shapes.clean_up(clean_up)["total"]["tasks"] == 5


def test_a_failed_task_without_text_cannot_be_asked_again(make: Make, as_alice: Actor) -> None:
    task = make(50, "failed")
    rule(text_days=10)
    cleaned()
    with pytest.raises(Conflict, match="removed"):
        tasks.retry(actor=as_alice, task_id=task.pk)


# By the clock ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def three_o_clock(settings: Any, db: None) -> datetime:
    settings.DROVER_CLEANUP_HOUR = 3
    assert django_settings.TIME_ZONE == "UTC"
    return NOW.replace(hour=3)


def changed_at(at: datetime) -> None:
    RetentionRule.objects.update(updated_at=at)


def test_it_is_due_once_a_day(three_o_clock: datetime) -> None:
    rule(text_days=10)
    changed_at(three_o_clock - timedelta(hours=1))
    assert schedule(now=three_o_clock - timedelta(minutes=1)) is None
    row = schedule(now=three_o_clock + timedelta(minutes=1))
    assert row is not None
    assert (row.scheduled, row.by_name, row.as_of) == (True, "drover", three_o_clock + timedelta(minutes=1))
    assert carry_on(go_on=lambda: True) == row
    assert schedule(now=three_o_clock + timedelta(hours=20)) is None
    assert schedule(now=three_o_clock + timedelta(days=1)) is not None


def test_it_is_made_up_for_when_drover_was_away_at_the_hour(three_o_clock: datetime) -> None:
    rule(text_days=10)
    changed_at(three_o_clock - timedelta(days=3))
    assert schedule(now=three_o_clock + timedelta(hours=9)) is not None


def test_a_new_rule_waits_for_the_next_hour(three_o_clock: datetime) -> None:
    rule(text_days=10)
    changed_at(three_o_clock + timedelta(hours=1))
    assert schedule(now=three_o_clock + timedelta(hours=2)) is None
    assert schedule(now=three_o_clock + timedelta(days=1)) is not None


def test_there_is_none_without_rules_nor_with_the_hour_turned_off(three_o_clock: datetime, settings: Any) -> None:
    assert schedule(now=three_o_clock) is None
    rule(text_days=10)
    changed_at(three_o_clock - timedelta(days=1))
    settings.DROVER_CLEANUP_HOUR = -1
    assert schedule(now=three_o_clock) is None


def test_a_scheduled_one_that_found_nothing_leaves_no_trace_in_the_audit_trail(three_o_clock: datetime) -> None:
    rule(text_days=10)
    changed_at(three_o_clock - timedelta(days=1))
    assert schedule(now=three_o_clock)
    assert carry_on(go_on=lambda: True) is not None
    assert not AuditEntry.objects.exists()
