"""Workers, scheduler and Redis killed under load: nothing lost, nothing twice, the right answers."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from orchestration.management import chaos
from orchestration.ollama.simulator import Herd, NodeSpec, run_in_thread
from tests.e2e.herd import Drover, running_drover, until

pytestmark = pytest.mark.processes

MODEL = "llama3.2:latest"


@pytest.fixture
def herd() -> Iterator[Herd]:
    specs = [NodeSpec(name=name, models=(MODEL,), slots=8, speed=5.0, chunk_tokens=10) for name in ("gpu-a", "gpu-b")]
    handle = run_in_thread(specs)
    yield handle
    handle.stop()


def test_all_tasks_complete_once_with_the_right_answer_whatever_is_killed_meanwhile(herd: Herd) -> None:
    with running_drover(workers=2) as drover:
        drover.connect(herd, slots_per_model=8)
        asked = _submit(drover, 30)
        for victims in (["worker-0", "worker-1"], ["scheduler"], ["redis"]):
            _until_some_run(drover)
            for name in victims:
                drover.kill(name)
            asked |= _submit(drover, 5)
            for name in victims:
                drover.start(name)
        ended = drover.until_ended(*asked)
        answers = _answers(herd, asked.values())
        for task in ended:
            assert task["status"] == "completed", task["error"]
            assert [attempt["status"] for attempt in task["attempt_list"]].count("completed") == 1
            assert task["output"] == answers[asked[task["id"]]["parameters"]["seed"]]
        assert len(drover.api("GET", "tasks", params={"limit": 100})["tasks"]) == len(asked)


def _answers(herd: Herd, tasks: Iterable[dict[str, Any]]) -> dict[int, str]:
    """By seed, straight from a server."""
    by_seed = {task["parameters"]["seed"]: task for task in tasks}
    with ThreadPoolExecutor(8) as callers:
        said = callers.map(lambda task: chaos.ask(herd.urls[0], task), by_seed.values())
        return dict(zip(by_seed, said, strict=True))


def _submit(drover: Drover, count: int) -> dict[int, dict[str, Any]]:
    tasks = [
        {
            "type": "generate",
            "model_name": MODEL,
            "input": "Name a river.",
            "parameters": {"num_predict": 150, "seed": n},
        }
        for n in range(count)
    ]
    made = drover.api("POST", "tasks", json={"tasks": tasks})["tasks"]
    return {each["id"]: task for each, task in zip(made, tasks, strict=True)}


def _until_some_run(drover: Drover) -> None:
    until(lambda: drover.api("GET", "tasks", params={"status": "running"})["tasks"], "running tasks")
