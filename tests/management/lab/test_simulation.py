"""The simulated world tells a scheduler what a real one would learn, no more and no sooner."""

import pytest

from orchestration.management.lab.simulation import Fault, Scheduler, Simulation, Workload
from orchestration.management.lab.work import LabModel, LabTask, NodeNumbers

MODELS = {"big": LabModel("big", 10, 50, 2)}


class ToTheFirst(Scheduler):
    """Sends everything to one node and writes down what it learns."""

    def start(self):
        self.seen = []

    def arrived(self, task):
        self.seen.append(("arrived", task.id, self.sim.now))
        self.sim.send(task, 0, "big")

    def ended(self, task):
        self.seen.append(("ended", task.id, self.sim.now))

    def polled(self):
        self.seen.append(("polled", sorted(self.sim.resident[0]), self.sim.now))

    def health_changed(self, node):
        self.seen.append(("health", self.sim.up[node], self.sim.now))


def made(*numbers, **more):
    values = {"output_tokens": 100, "prompt_work": 0, "user": "alice", "priority": 1, "workflow_at": 0, **more}
    return [LabTask(id=number, born=number, ready=number, models=("big",), **values) for number in numbers]


def world(tasks, faults=(), scheduler=None):
    nodes = [NodeNumbers(), NodeNumbers()]
    workload = Workload(models=MODELS, nodes=nodes, tasks=lambda draw: tasks, faults=faults)
    return Simulation(workload, scheduler or ToTheFirst())


def seen(sim, *kinds):
    return [item for item in sim.scheduler.seen if item[0] in kinds]


def test_it_ends_when_every_task_has_ended():
    sim = world(made(0, 1)).run()
    assert sim.left == 0
    assert [item[:2] for item in seen(sim, "arrived", "ended")] == [
        ("arrived", 0),
        ("arrived", 1),
        ("ended", 0),
        ("ended", 1),
    ]
    assert sim.in_flight[0]["big"] == 0


def test_a_scheduler_that_starts_nothing_runs_into_the_limit():
    sim = world(made(0), scheduler=Scheduler()).run(limit=100)
    assert sim.left == 1
    assert sim.now == pytest.approx(100, abs=2.1)


def test_a_step_is_ready_when_its_parents_have_ended():
    first, second = made(0, 1)
    second.parents_left = 1
    first.children.append(second)
    world([first, second]).run()
    assert second.ready == first.ended


def test_what_is_resident_is_known_at_the_next_poll():
    sim = world(made(0)).run()
    polls = {when: models for _, models, when in seen(sim, "polled")}
    assert polls[10.0] == []
    assert polls[12.0] == ["big"]


def test_a_failed_node_is_noticed_and_its_tasks_come_back():
    sim = world(made(0), faults=[Fault(at=5, node=0, recovers=False), Fault(at=40, node=0, recovers=True)]).run()
    assert seen(sim, "health") == [("health", False, 15.0), ("health", True, 42.0)]
    assert sim.failures > 1
    assert sim.left == 0


def test_an_aborted_call_is_no_longer_in_flight():
    (task,) = made(0, output_tokens=5000)
    sim = world([task])
    sim.run(limit=20)
    assert sim.abort(task)
    assert (sim.in_flight[0]["big"], sim.aborts, task.tries) == (0, 1, 1)


def test_strangers_go_past_the_scheduler():
    (stranger,) = made(0, outsider=True)
    sim = world([stranger, *made(1)]).run()
    assert [item[1] for item in seen(sim, "arrived")] == [1]
    assert sim.nodes[0].loads == 1


def test_the_same_seed_draws_the_same_tasks():
    workload = Workload(
        models=MODELS, nodes=[NodeNumbers()], tasks=lambda draw: made(0, output_tokens=draw.uniform(10, 100))
    )
    lengths = [Simulation(workload, ToTheFirst(), seed).tasks[0].work for seed in (1, 1, 2)]
    assert lengths[0] == lengths[1] != lengths[2]


def test_a_model_larger_than_a_node_does_not_fit():
    workload = Workload(
        models=MODELS, nodes=[NodeNumbers(vram_gb=9), NodeNumbers(vram_gb=10)], tasks=lambda draw: made(0)
    )
    sim = Simulation(workload, ToTheFirst())
    assert not sim.fits(0, "big")
    assert sim.fits(1, "big")
