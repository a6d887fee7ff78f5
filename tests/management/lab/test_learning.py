"""What is learned from calls that have ended."""

import math

import pytest

from orchestration.management.lab.learning import RATE_SECONDS, Learned
from orchestration.management.lab.work import LabTask


def ran(work=100.0, seconds=2.0):
    task = LabTask(
        id=1, born=0, models=("a", "b"), output_tokens=work, prompt_work=0, user="alice", priority=1, workflow_at=0
    )
    task.node, task.model, task.started, task.ended = 3, "b", 10.0, 10.0 + seconds
    return task


def test_speed_is_that_of_a_stream_alone():
    learned = Learned()
    learned.ran(ran(), in_batch=0, beside=0)
    assert learned.estimates.speed(3, "b") == 50
    learned.ran(ran(), in_batch=2, beside=1)
    assert learned.estimates.speed(3, "b") == pytest.approx(0.8 * 50 + 0.2 * 50 * 1.5 * 1.8)


def test_work_is_learned_by_what_was_asked_for_and_runs_by_where_they_ran():
    learned = Learned()
    learned.ran(ran(work=80), in_batch=0, beside=0)
    assert learned.estimates.work(None, "a") == 80
    assert learned.estimates.run(3, "b") == 2


def test_loads_are_learned():
    learned = Learned()
    learned.loaded(1, "a", 10)
    learned.loaded(1, "a", 5)
    assert learned.estimates.load(1, "a", 0) == 9


def test_the_memory_of_high_tasks_fades():
    learned = Learned()
    learned.asked("a", 0)
    learned.asked("a", 0)
    assert learned.high_rates(0) == {"a": 2 / RATE_SECONDS}
    assert learned.high_rates(RATE_SECONDS)["a"] == pytest.approx(2 / RATE_SECONDS / math.e)
