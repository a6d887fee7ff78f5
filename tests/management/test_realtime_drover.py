"""The same workload through a Drover of its own, and what is read from its rows."""

from datetime import UTC, datetime

import pytest

from orchestration.management import realtime, realtime_drover
from tests.management.test_realtime import _tasks, workload

__all__ = ["workload"]


@pytest.mark.processes
@pytest.mark.django_db
def test_a_drover_of_its_own_brings_every_task_to_its_end(workload, make_simulator):
    herd = make_simulator(realtime.specs_of(workload))
    tasks = _tasks()
    realtime_drover.run_drover(workload, tasks, herd.urls, "")
    assert all(task.ended > task.started > 0 for task in tasks)
    assert 2 <= realtime_drover.loads(herd.urls) <= 4


@pytest.mark.parametrize("moment", ["2026-11-21 10:00:02", datetime(2026, 11, 21, 10, 0, 2, tzinfo=UTC)])
def test_times_are_laboratory_seconds_since_the_beginning(moment):
    began = datetime(2026, 11, 21, 10, 0, 0, tzinfo=UTC)
    assert realtime_drover._since(began, moment) == 2 * realtime.FACTOR


def test_a_refused_call_says_what_came():
    with pytest.raises(RuntimeError, match="422 instead of 202"):
        realtime_drover._expect(202, (422, {"error": {"code": "invalid_input"}}))
