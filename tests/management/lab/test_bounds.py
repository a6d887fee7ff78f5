"""Lower bounds: easy cases by hand, and no run beats them."""

import pytest

from orchestration.management.lab.bounds import bounds
from orchestration.management.lab.peers import PEERS
from orchestration.management.lab.simulation import Simulation, Workload
from orchestration.management.lab.work import LabModel, LabTask, NodeNumbers
from orchestration.management.lab.workloads import workloads


def task(number, work, born=0.0, model="a"):
    return LabTask(
        id=number,
        born=born,
        ready=born,
        models=(model,),
        output_tokens=work,
        prompt_work=0,
        user="alice",
        priority=1,
        workflow_at=born,
    )


def workload(*nodes):
    models = {"a": LabModel("a", 10, 50, 1), "b": LabModel("b", 10, 50, 1)}
    return Workload(models=models, nodes=nodes or [NodeNumbers()], tasks=lambda draw: [])


def test_one_task_takes_a_load_and_its_own_time():
    found = bounds(workload(), [task(0, 100)])
    assert found.end == pytest.approx(11.7 + 2, abs=1e-3)
    assert found.mean_response == pytest.approx(2)


def test_steps_take_one_after_the_other_what_each_takes_alone():
    first, second = task(0, 1000), task(1, 1000)
    first.children.append(second)
    assert bounds(workload(*[NodeNumbers()] * 9), [first, second]).end == pytest.approx(40)


def test_short_tasks_first_is_the_best_mean():
    tasks = [task(0, 1000), task(1, 100)]
    assert bounds(workload(), tasks).mean_response == pytest.approx((2 + 22) / 2)


def test_strangers_do_not_count():
    stranger = task(1, 10_000)
    stranger.outsider = True
    assert bounds(workload(), [task(0, 100), stranger]) == bounds(workload(), [task(0, 100)])


def test_two_models_on_one_node_need_a_second_load():
    alone = bounds(workload(), [task(0, 100), task(1, 100)])
    both = bounds(workload(), [task(0, 100), task(1, 100, model="b")])
    assert both.end > alone.end - 1


@pytest.mark.parametrize("name", ["W1", "W4", "W5", "W6"])
def test_no_run_beats_the_bounds(name):
    load = workloads(0.05)[name]
    sim = Simulation(load, PEERS["llama-swap-like"](), 1).run()
    found = bounds(load, sim.tasks)
    assert sim.now >= found.end
    assert sum(task.ended - task.ready for task in sim.tasks) / len(sim.tasks) >= found.mean_response
