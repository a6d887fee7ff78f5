"""Killing any process at any moment loses nothing: every task ends once, by itself."""

from collections.abc import Iterator

import pytest

from orchestration.ollama.simulator import Herd, NodeSpec, run_in_thread
from tests.e2e.herd import Drover, running_drover, until

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def herd() -> Iterator[Herd]:
    spec = NodeSpec(name="gpu-a", models=("llama3.2:latest",), slots=64, vram_gb=48, speed=2.0)
    handle = run_in_thread([spec])
    yield handle
    handle.stop()


@pytest.fixture(scope="module")
def drover(herd: Herd) -> Iterator[Drover]:
    with running_drover() as running:
        running.connect(herd, slots_per_model=64)
        yield running


def _twenty_running(drover: Drover, tokens: int = 600) -> list[int]:
    ids = drover.submit(*(f"Story {number}" for number in range(20)), parameters={"num_predict": tokens})
    drover.until_running(*ids)
    return ids


def _assert_each_ended_once(tasks: list[dict]) -> None:
    for task in tasks:
        assert task["status"] == "completed", task["error"]
        assert [attempt["status"] for attempt in task["attempt_list"]].count("completed") == 1


def test_twenty_tasks_of_a_killed_worker_finish_once_on_new_attempts(drover: Drover) -> None:
    ids = _twenty_running(drover)
    drover.kill("worker-0")
    drover.start("worker-0")
    until(lambda: all(drover.task(pk)["attempts"] == 2 for pk in ids), "new attempts", 30)
    tasks = drover.until_ended(*ids)
    _assert_each_ended_once(tasks)
    assert all(task["attempts"] == 2 for task in tasks)


def test_a_killed_scheduler_is_missed_by_nobody_who_runs_and_replaced_for_those_who_wait(drover: Drover) -> None:
    running = _twenty_running(drover, tokens=200)
    drover.kill("scheduler")
    waiting = drover.submit("Waits for the next scheduler.", parameters={"num_predict": 5})
    _assert_each_ended_once(drover.until_ended(*running))
    drover.start("scheduler")
    _assert_each_ended_once(drover.until_ended(*waiting))


def test_a_redis_that_comes_back_empty_costs_nothing(drover: Drover) -> None:
    ids = _twenty_running(drover, tokens=300)
    drover.kill("redis")
    drover.start("redis")
    more = drover.submit("After the flush.", parameters={"num_predict": 5})
    _assert_each_ended_once(drover.until_ended(*ids, *more))
    until(drover.healthy, "health")


def test_a_task_submitted_while_redis_is_down_runs_when_it_is_back(drover: Drover) -> None:
    drover.kill("redis")
    ids = drover.submit("Submitted in the dark.", parameters={"num_predict": 5})
    assert drover.task(ids[0])["status"] == "pending"
    drover.start("redis")
    _assert_each_ended_once(drover.until_ended(*ids))


def test_a_killed_web_process_takes_nothing_with_it(drover: Drover) -> None:
    ids = _twenty_running(drover, tokens=200)
    drover.kill("web")
    drover.start("web")
    until(drover.healthy, "health")
    _assert_each_ended_once(drover.until_ended(*ids))


def test_a_worker_that_is_told_to_stop_gives_back_what_it_cannot_finish(drover: Drover) -> None:
    import signal

    ids = drover.submit("Quick.", parameters={"num_predict": 20})
    drover.until_running(*ids)
    drover.kill("worker-0", signal.SIGTERM)
    _assert_each_ended_once(drover.until_ended(*ids))
    drover.start("worker-0")
    until(drover.healthy, "health")
