"""The schedulers that Drover is compared with do what they are known for."""

import pytest

from orchestration.management.lab.peers import PEERS
from orchestration.management.lab.simulation import Fault, Simulation, Workload
from orchestration.management.lab.work import LabModel, LabTask, NodeNumbers

MODELS = {"a": LabModel("a", 10, 50, 2), "b": LabModel("b", 10, 50, 2)}


def made(*models, gap=0.0, priorities=None, work=100.0):
    return [
        LabTask(
            id=number,
            born=number * gap,
            ready=number * gap,
            models=(model,),
            output_tokens=work,
            prompt_work=0,
            user="alice",
            priority=priorities[number] if priorities else 1,
            workflow_at=0,
        )
        for number, model in enumerate(models)
    ]


def run(name, tasks, nodes=2, vram=16.0, faults=()):
    numbers = [NodeNumbers(vram_gb=vram)] * nodes
    workload = Workload(models=MODELS, nodes=numbers, tasks=lambda draw: tasks, faults=faults)
    return Simulation(workload, PEERS[name](), 1).run()


@pytest.mark.parametrize("name", PEERS)
def test_all_tasks_end_also_when_a_node_fails(name):
    tasks = made(*"abaabbab" * 5, gap=2.0)
    sim = run(name, tasks, faults=[Fault(at=30, node=0, recovers=False), Fault(at=60, node=0, recovers=True)])
    assert sim.left == 0
    assert all(count == 0 for counter in sim.in_flight for count in counter.values())


def test_round_robin_takes_nodes_in_turn():
    tasks = made(*"aaaa")
    run("round-robin", tasks)
    assert [task.node for task in tasks] == [0, 1, 0, 1]


def test_least_connections_takes_the_node_with_the_fewest_calls():
    tasks = made("a", "a", "b", gap=1.0)
    tasks[0].output_tokens = 1.0
    tasks[2].ready = 14.0
    run("least-connections", tasks)
    assert [task.node for task in tasks] == [0, 1, 0]


def test_loaded_first_stays_where_the_model_is():
    tasks = made(*"aaaa", gap=15.0, work=2000.0)
    run("loaded-first", tasks)
    assert {task.node for task in tasks} == {0}


def test_job_queues_start_no_more_than_they_have_workers_and_the_highest_class_first():
    tasks = made(*"aaaaaaaa", priorities=[2, 2, 2, 2, 2, 2, 0, 1])
    run("rq-workers", tasks, nodes=1)
    starts = [task.started for task in tasks]
    assert max(starts[:2]) < max(starts[6:]) < min(starts[2:6])


def test_a_llama_swap_serves_what_is_resident_before_it_swaps():
    tasks = made(*"abababab")
    sim = run("llama-swap-like", tasks, nodes=1)
    assert sim.nodes[0].loads == 2
    order = sorted(tasks, key=lambda task: task.started)
    assert [task.models[0] for task in order] == list("aaaabbbb")
