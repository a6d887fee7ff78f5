"""Clean-ups piece by piece and by the clock: stopped, taken up again, due once a day."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings

from orchestration.errors import Conflict
from orchestration.models import (
    AuditEntry,
    CleanUp,
    RetentionRule,
    Run,
    Task,
    User,
)
from orchestration.payloads import retention as shapes
from orchestration.permissions import Actor
from orchestration.policy.states import RunKind
from orchestration.queries import retention as queries
from orchestration.services import retention
from orchestration.services.retention import ask_clean_up, carry_on, schedule
from tests.services.cleaning import NOW, EndedTask, asked, cleaned, rule, texts

# Piece by piece -------------------------------------------------------------------------------------------------------


@pytest.fixture
def in_twos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "PIECE", 2)


@pytest.mark.usefixtures("in_twos")
@pytest.mark.parametrize("fields", [{"text_days": 10}, {"task_days": 10}, {"text_days": 10, "task_days": 40}])
def test_many_pieces_are_one_clean_up(ended_task: EndedTask, bob: User, fields: dict[str, Any]) -> None:
    run = Run.objects.create(kind=RunKind.BATCH, owner=bob)
    for days in (50, 50, 50, 50, 50, 20, 20):
        ended_task(days)
        ended_task(days, run=run)
    total = cleaned_with(fields)["total"]
    assert total["texts"] + total["tasks"] == 14


def cleaned_with(fields: dict[str, Any]) -> dict[str, Any]:
    rule(**fields)
    return cleaned()


@pytest.mark.usefixtures("in_twos")
def test_what_is_broken_off_is_taken_up_again_and_counted_on(ended_task: EndedTask) -> None:
    for _ in range(5):
        ended_task(50)
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
def test_who_stops_it_keeps_what_is_left(ended_task: EndedTask, maintainer: Actor) -> None:
    for _ in range(5):
        ended_task(50)
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
    ended_task: EndedTask, bob: User, maintainer: Actor
) -> None:
    big = Run.objects.create(kind=RunKind.BATCH, owner=bob)
    for _ in range(5):
        ended_task(50, run=big)
    other = ended_task(50)
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
