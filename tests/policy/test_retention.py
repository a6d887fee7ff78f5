"""Rules about keeping, and the arithmetic of what goes."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from orchestration.policy.retention import (
    NEVER,
    Removal,
    Removed,
    Rule,
    cutoff,
    last_due,
    next_due,
    problem,
    rules_of,
    words,
)

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text_days", "task_days", "field"),
    [
        (None, None, ""),
        (30, None, ""),
        (30, 30, ""),
        (30, 365, ""),
        (0, None, "text_days"),
        (None, -1, "task_days"),
        (36_501, None, "text_days"),
        (30, 29, "task_days"),
    ],
)
def test_a_rule_is_sound_when_tasks_stay_as_long_as_their_texts(
    text_days: int | None, task_days: int | None, field: str
) -> None:
    found, why = problem(text_days, task_days)
    assert found == field
    assert bool(why) == bool(field)


def test_a_rule_comes_back_from_what_was_kept_of_it() -> None:
    rule = Rule(agent_id=3, agent="writer", text_days=30, keep_collected=False)
    assert rules_of([{**asdict(rule), "of_a_later_version": 1}]) == [rule]


def test_a_rule_without_days_removes_nothing() -> None:
    assert not Rule().removes
    assert Rule(task_days=1).removes


def test_what_ended_to_the_second_so_many_days_ago_has_been_kept_long_enough() -> None:
    assert cutoff(NOON, 30) == NOON - timedelta(days=30)


def test_the_last_time_is_today_once_the_hour_has_come() -> None:
    assert last_due(NOON, 12, UTC) == NOON
    assert last_due(NOON, 13, UTC) == NOON - timedelta(hours=23)
    assert next_due(NOON, 13, UTC) == NOON + timedelta(hours=1)


def test_the_hour_is_that_of_the_time_zone() -> None:
    assert last_due(NOON, 13, BERLIN) == NOON
    assert last_due(NOON, 14, BERLIN) == NOON - timedelta(hours=23)


def test_the_hour_stays_the_same_when_clocks_are_changed() -> None:
    after = datetime(2026, 3, 29, 8, tzinfo=UTC)
    assert last_due(after, 11, BERLIN) == datetime(2026, 3, 28, 10, tzinfo=UTC)
    assert next_due(after, 11, BERLIN) == datetime(2026, 3, 29, 9, tzinfo=UTC)


def test_never_has_no_time() -> None:
    assert last_due(NOON, NEVER, UTC) is next_due(NOON, NEVER, UTC) is None


def test_what_is_removed_adds_up_by_agent_and_over_all() -> None:
    day = timedelta(days=1)
    found = Removal()
    found.add("writer", Removed(texts=2, bytes=10, oldest=NOON - day, newest=NOON))
    found.add("writer", Removed(tasks=1, bytes=5, oldest=NOON - 2 * day, newest=NOON - day))
    found.add("poet", Removed(texts=4, bytes=1, oldest=NOON, newest=NOON + day))
    assert found.by_agent["writer"] == Removed(texts=2, tasks=1, bytes=15, oldest=NOON - 2 * day, newest=NOON)
    assert found.total == Removed(texts=6, tasks=1, bytes=16, oldest=NOON - 2 * day, newest=NOON + day)
    assert found.count == 7
    assert Removal().total == Removed()


def test_a_rule_in_words() -> None:
    assert words(Rule(text_days=30, task_days=365)) == "texts after 30 days, tasks after 365 days"
    assert words(Rule(text_days=1)) == "texts after 1 day"
    assert words(Rule()) == "everything for good"
