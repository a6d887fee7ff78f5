"""The laboratory's peers over real sockets: the tasks, the servers and the clock are small."""

import json
import random
import sys

import pytest

from orchestration.management import realtime
from orchestration.management.lab.peers import PEERS
from orchestration.management.lab.simulation import Workload
from orchestration.management.lab.work import LabModel, LabTask, NodeNumbers

MODELS = {"A": LabModel("A", 0.5, 400, 4), "B": LabModel("B", 0.5, 400, 4)}


def _tasks() -> list[LabTask]:
    fields = {"output_tokens": 40.0, "prompt_work": 0.0, "priority": 1, "workflow_at": 0.0}
    return [
        LabTask(id=number, born=0.5 * number, models=("AB"[number % 2],), user=f"u{number % 2}", **fields)
        for number in range(6)
    ]


@pytest.fixture
def workload() -> Workload:
    return Workload(models=MODELS, nodes=[NodeNumbers(vram_gb=8), NodeNumbers(vram_gb=8)], tasks=lambda _: _tasks())


@pytest.mark.parametrize("name", ["rq-workers", "llama-swap-like"])
def test_a_peer_brings_every_task_to_its_end_on_real_servers(workload, make_simulator, name):
    herd = make_simulator(realtime.specs_of(workload))
    tasks = workload.tasks(random.Random(1))
    realtime.run_peer(PEERS[name](), workload, tasks, herd.urls)
    assert all(task.ended > task.started >= task.born for task in tasks)
    assert sum(node.state()["counts"]["requests"].get("/api/generate", 0) for node in herd.nodes) >= len(tasks)


def test_a_peer_that_fails_is_not_waited_for(workload, make_simulator):
    class Broken(PEERS["rq-workers"]):
        def ended(self, task):
            raise ZeroDivisionError

    herd = make_simulator(realtime.specs_of(workload))
    with pytest.raises(ZeroDivisionError):
        realtime.run_peer(Broken(), workload, _tasks(), herd.urls)


def test_a_server_holds_what_the_laboratorys_node_holds(workload):
    first, _ = realtime.specs_of(workload)
    assert [model.name for model in first.models] == ["a:latest", "b:latest"]
    assert (first.vram_gb, first.speed) == (8, realtime.FACTOR)


def test_the_addresses_of_started_servers_are_read_and_they_end_with_the_block():
    script = "import json, sys; print(json.dumps(['http://a']), flush=True); sys.stdin.read()"
    with realtime.servers([sys.executable, "-c", script]) as urls:
        assert urls == ["http://a"]


def test_the_command_is_run_again_in_another_part():
    assert realtime.command("simulator", "--scenario", "mixed")[-5:] == [
        "bench_fleet", "--part", "simulator", "--scenario", "mixed"
    ]  # fmt: skip
    assert json.dumps(realtime.full("Llama")) == '"llama:latest"'
