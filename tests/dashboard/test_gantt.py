"""Bars over the time of a run: queued, load, prefill, decode; what goes on grows to now."""

from datetime import UTC, datetime, timedelta
from typing import Any

from dashboard.gantt import chart
from orchestration.models import Task
from orchestration.policy.states import TaskStatus

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def bars(*tasks: Task, items: tuple[Task, ...] = (), now: float = 10, over: bool = True) -> list[list[tuple[Any, ...]]]:
    found = chart(tasks, items, began=BEGAN, now=at(now), over=over)
    rows = [found.rows[task.pk] for task in tasks]
    return [[(bar.part.state, bar.part.since, bar.part.until) for bar in row] for row in rows]


def task(pk: int = 1, status: TaskStatus = TaskStatus.COMPLETED, **fields: Any) -> Task:
    return Task(pk=pk, status=status, **fields)


def test_what_was_measured_ends_with_the_task_and_the_wait_fills_the_rest() -> None:
    done = task(ready_at=at(1), started_at=at(3), ended_at=at(8), load_seconds=1, prefill_seconds=0.5, decode_seconds=2)
    assert bars(done) == [
        [("queued", 1, 4.5), ("loading", 4.5, 5.5), ("prefill", 5.5, 6), ("generating", 6, 8)],
    ]


def test_what_goes_on_has_no_end() -> None:
    running = task(status=TaskStatus.RUNNING, phase="prefill", ready_at=at(0), started_at=at(2))
    waiting = task(2, TaskStatus.PENDING, ready_at=at(4))
    blocked = task(3, TaskStatus.BLOCKED)
    assert bars(running, waiting, blocked, over=False) == [
        [("queued", 0, 2), ("prefill", 2, None)],
        [("queued", 4, None)],
        [],
    ]


def test_a_failure_has_its_colour_and_a_skipped_step_no_bar() -> None:
    failed = task(status=TaskStatus.FAILED, ready_at=at(0), started_at=at(1), ended_at=at(2), load_seconds=1)
    skipped = task(2, ready_at=at(0), ended_at=at(1), skipped_because="Not so")
    assert bars(failed, skipped) == [[("queued", 0, 1), ("failed", 1, 2)], []]


def test_a_fan_out_lasts_as_long_as_its_items() -> None:
    step = task(ended_at=at(9))
    items = (task(2, parent_id=1, started_at=at(3)), task(3, parent_id=1, started_at=at(2)))
    assert bars(step, items=items) == [[("generating", 2, 9)]]


def test_the_scale_ends_with_the_last_bar_or_now() -> None:
    done = task(ready_at=at(0), started_at=at(1), ended_at=at(4))
    over = chart([done], [], began=BEGAN, now=at(100), over=True)
    assert (over.seconds, over.now) == (4, None)
    assert [words for _, _, words in over.ticks] == ["0 s", "1 s", "2 s", "3 s", "4 s"]
    going = chart([done], [], began=BEGAN, now=at(100), over=False)
    assert (going.seconds, going.now) == (100, "100.00")
    assert chart([], [], began=BEGAN, now=at(0), over=True).seconds == 1
