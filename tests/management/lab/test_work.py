"""The numbers of models and nodes."""

import pytest

from orchestration.management.lab.work import LabModel, LabTask, NodeNumbers


def test_a_batch_is_faster_than_one_stream_but_not_as_many_times():
    assert LabModel("llama", 7, 60, 1).batch_rate == 60
    assert LabModel("llama", 7, 60, 4).batch_rate == pytest.approx(60 * 4 / 1.75)


def test_a_file_that_is_still_in_memory_loads_faster():
    node = NodeNumbers(disk_gb_per_second=2)
    assert node.load_seconds(8) == pytest.approx(1.7 + 4)
    assert node.load_seconds(8, warm=True) == pytest.approx(1.7 + 1)


def test_a_task_waits_from_ready_to_started():
    task = LabTask(
        id=1, born=0, models=("m",), output_tokens=100, prompt_work=20, user="alice", priority=1, workflow_at=0, ready=3
    )
    task.started = 5.0
    assert (task.work, task.waited) == (120, 2)
