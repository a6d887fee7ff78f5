"""Drover's own decisions in the simulated world."""

import pytest

from orchestration.management.lab.metrics import measure
from orchestration.management.lab.peers import PEERS
from orchestration.management.lab.product import Product
from orchestration.management.lab.simulation import Simulation, Workload
from orchestration.management.lab.work import LabModel, LabTask, NodeNumbers
from orchestration.management.lab.workloads import TITLES, workloads
from orchestration.policy.fleet import Parameters


class Watched(Product):
    """Notes the largest number of own calls in any model of any node, by how many it takes at once."""

    over = 0
    most_held = 0.0

    def _decide(self):
        super()._decide()
        for node, in_flight in enumerate(self.sim.in_flight):
            excess = [count - self.sim.models[model].parallel for model, count in in_flight.items()]
            self.over = max([self.over, *excess])
            held = sum(self.sim.models[model].gb for model in self.sim.nodes[node].runners)
            self.most_held = max(self.most_held, held / self.sim.nodes[node].numbers.vram_gb)


def run(name, scheduler=None, scale=0.1):
    workload = workloads(scale)[name]
    sim = Simulation(workload, scheduler or Watched(), 1).run()
    return sim, measure(sim, workload)


@pytest.mark.parametrize("name", TITLES)
def test_all_tasks_end_and_no_slot_is_given_twice(name):
    sim, found = run(name)
    assert found.done == 1
    assert sim.scheduler.over <= 0
    assert sim.scheduler.most_held <= 1
    assert not sim.scheduler._running
    assert not sim.scheduler._waiting


def test_models_are_swapped_less_and_answers_come_sooner_than_in_turn():
    _, ours = run("W6")
    _, theirs = run("W6", PEERS["round-robin"]())
    assert ours.response < theirs.response / 2
    assert ours.loads < theirs.loads


def test_one_user_cannot_keep_the_others_waiting():
    _, ours = run("W7", scale=0.3)
    _, theirs = run("W7", PEERS["least-connections"](), scale=0.3)
    assert ours.others_mean < 5 < theirs.others_mean
    assert ours.fairness > 0.9


def test_high_tasks_get_through_two_batches_also_by_pushing_low_ones_back():
    sim, ours = run("W3", scale=0.2)
    _, others = run("W3", Product(Parameters(preempt=False)), scale=0.2)
    assert ours.high_mean < 10
    assert sim.aborts > 0
    assert others.redone == 0


def test_the_work_of_a_node_that_dies_is_done_elsewhere():
    sim, found = run("W5")
    assert sim.failures > 0
    assert found.done == 1


def test_a_wait_inside_the_server_behind_strangers_takes_a_slot():
    def made(number, at, **more):
        values = {"born": at, "ready": at, "workflow_at": at, "output_tokens": 2000, "prompt_work": 0, **more}
        return LabTask(id=number, models=("a",), user="alice", priority=1, **values)

    tasks = [made(0, 0.0, output_tokens=10), *(made(number, 20.0, outsider=True) for number in (1, 2))]
    tasks += [made(3, 21.0, output_tokens=10)]
    workload = Workload(models={"a": LabModel("a", 5, 50, 2)}, nodes=[NodeNumbers()], tasks=lambda draw: tasks)
    sim = Simulation(workload, Product(), 1).run()
    assert tasks[3].started > tasks[3].sent + 1
    assert sim.scheduler._learned.slots(0, "a", 2) == 1


def test_the_accounts_hold_what_was_really_received():
    sim, _ = run("W7")
    received = {}
    for task in sim.tasks:
        received[task.user] = received.get(task.user, 0) + task.work
    line = sim.scheduler._line
    accounts = sim.scheduler._service
    assert accounts[line.share("bulk")] == pytest.approx(received["bulk"], rel=1e-3)


def test_a_call_that_fails_is_not_repeated_before_the_node_has_answered():
    task = LabTask(
        id=0, born=0, models=("a",), output_tokens=2000, prompt_work=0, user="alice", priority=1, workflow_at=0
    )
    workload = Workload(
        models={"a": LabModel("a", 5, 50, 4)}, nodes=[NodeNumbers()], tasks=lambda draw: [task], faults=()
    )
    sim = Simulation(workload, Product(), 1)
    sim.at(15.0, sim.nodes[0].fail)
    sim.at(60.0, sim.nodes[0].recover)
    sim.run()
    assert sim.failures == 1
    assert task.started > 60
    assert task.ended is not None
