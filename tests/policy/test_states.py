"""The legal moves of a task, drawn once more by hand."""

import pytest

from orchestration.policy.states import (
    ACTIVE,
    ENDED,
    TASK_SOURCES,
    UNFINISHED,
    WAITING,
    Phase,
    Priority,
    TaskStatus,
    can_move,
)

MOVES = {
    ("blocked", "pending"),
    ("blocked", "failed"),
    ("blocked", "completed"),
    ("blocked", "cancelled"),
    ("pending", "assigned"),
    ("pending", "blocked"),
    ("pending", "failed"),
    ("pending", "cancelled"),
    ("assigned", "pending"),
    ("assigned", "running"),
    ("assigned", "failed"),
    ("assigned", "cancelled"),
    ("running", "pending"),
    ("running", "completed"),
    ("running", "failed"),
    ("running", "cancelled"),
    ("failed", "pending"),
    ("cancelled", "pending"),
    ("failed", "blocked"),
    ("cancelled", "blocked"),
}


@pytest.mark.parametrize("source", list(TaskStatus))
@pytest.mark.parametrize("target", list(TaskStatus))
def test_a_task_moves_along_these_edges_only(source: TaskStatus, target: TaskStatus) -> None:
    assert can_move(source, target) == ((source.value, target.value) in MOVES)


def test_every_status_says_where_it_comes_from() -> None:
    assert set(TASK_SOURCES) == set(TaskStatus)


def test_a_completed_task_stays_completed() -> None:
    assert not any(can_move(TaskStatus.COMPLETED, target) for target in TaskStatus)


def test_the_groups_part_the_statuses() -> None:
    assert set(TaskStatus) == WAITING | ACTIVE | ENDED
    assert not WAITING & ACTIVE
    assert not UNFINISHED & ENDED


def test_high_comes_before_normal_before_low() -> None:
    assert sorted(Priority) == [Priority.HIGH, Priority.NORMAL, Priority.LOW]


def test_a_phase_has_one_word() -> None:
    assert [phase.value for phase in Phase] == ["queued", "loading", "prefill", "generating", "working", "ended"]
