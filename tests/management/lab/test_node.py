"""The simulated server keeps to what a real one does."""

import heapq
import itertools

import pytest

from orchestration.management.lab.node import CONNECT_SECONDS, LONGEST_LINE, NOTICE_SECONDS, LabNode
from orchestration.management.lab.work import LabModel, LabTask, NodeNumbers

BIG, OTHER, SMALL = LabModel("big", 10, 50, 2), LabModel("other", 10, 50, 2), LabModel("small", 4, 100, 1)


class Clock:
    """A world of one node that writes down what it is told."""

    def __init__(self):
        self.now = 0.0
        self.models = {model.name: model for model in (BIG, OTHER, SMALL)}
        self.told = []
        self._events, self._sequence = [], itertools.count()
        self.node = LabNode(self, 0, NodeNumbers(vram_gb=16))

    def at(self, when, call, *arguments):
        heapq.heappush(self._events, (when, next(self._sequence), call, arguments))

    def finished(self, task, node):
        self.told.append(("finished", task.id, self.now))

    def failed(self, task, node, model):
        self.told.append(("failed", task and task.id, self.now))

    def loaded(self, node, model):
        self.told.append(("loaded", model, self.now))

    def health_changed(self, node, up):
        self.told.append(("up" if up else "down", node, self.now))

    def run(self, until=1e6):
        while self._events and self._events[0][0] <= until:
            self.now, _, call, arguments = heapq.heappop(self._events)
            call(*arguments)
        self.now = max(self.now, until) if until < 1e6 else self.now
        return self.told


@pytest.fixture
def clock():
    return Clock()


def task(number, work=100.0, model="big"):
    made = LabTask(
        id=number, born=0, models=(model,), output_tokens=work, prompt_work=0, user="alice", priority=1, workflow_at=0
    )
    made.model = model
    return made


def test_a_call_waits_for_the_load_and_then_runs_at_the_speed_of_the_model(clock):
    clock.node.submit(task(1), "big")
    assert clock.run() == [("loaded", "big", pytest.approx(11.7)), ("finished", 1, pytest.approx(11.7 + 2))]


def test_two_calls_in_one_model_slow_each_other_and_a_third_waits(clock):
    for number in (1, 2, 3):
        clock.node.submit(task(number), "big")
    ends = [when for what, _, when in clock.run() if what == "finished"]
    assert ends == pytest.approx([11.7 + 2.5, 11.7 + 2.5, 11.7 + 4.5])


def test_a_call_knows_when_it_had_its_model_and_when_its_slot(clock):
    calls = [task(number) for number in (1, 2, 3)]
    for each in calls:
        clock.node.submit(each, "big")
    clock.run()
    assert {each.sent for each in calls} == {0}
    assert [each.got_model for each in calls] == pytest.approx([11.7] * 3)
    assert [each.started for each in calls] == pytest.approx([11.7, 11.7, 11.7 + 2.5])


def test_a_neighbour_that_is_busy_slows_a_model(clock):
    clock.node.submit(None, "big")
    clock.node.submit(None, "small")
    clock.run()
    began = clock.now
    clock.node.submit(task(1), "big")
    clock.node.submit(task(2, work=1000, model="small"), "small")
    clock.run()
    assert clock.told[2] == ("finished", 1, pytest.approx(began + 2 * 1.8))


def test_a_second_load_of_the_same_file_is_faster(clock):
    clock.node.submit(None, "big")
    clock.run()
    clock.node.unload("big")
    began = clock.now
    clock.node.submit(None, "big")
    assert clock.run()[1] == ("loaded", "big", pytest.approx(began + 1.7 + 10 / 4))
    assert clock.node.loads == 2


def test_a_model_that_is_loading_is_not_listed(clock):
    clock.node.submit(None, "big")
    clock.run(until=5)
    assert set(clock.node.resident()) == set()
    clock.run(until=12)
    assert set(clock.node.resident()) == {"big"}


def test_an_idle_model_leaves_after_its_keep_alive(clock):
    clock.node.submit(task(1), "big", 60)
    clock.run(until=70)
    assert set(clock.node.resident()) == {"big"}
    clock.run(until=80)
    assert set(clock.node.resident()) == set()


def test_the_end_of_a_keep_alive_stands_while_requests_run(clock):
    clock.node.submit(task(1, work=500), "big", 60)
    clock.run(until=15)
    assert clock.node.resident() == {"big": 75}  # none has ended yet
    clock.run(until=25)
    first_ended = 11.7 + 10
    assert clock.node.resident() == {"big": pytest.approx(first_ended + 60)}
    clock.node.submit(task(2, work=500), "big", 60)
    clock.run(until=30)
    assert clock.node.resident() == {"big": pytest.approx(first_ended + 60)}


def test_a_busy_model_is_not_displaced_and_the_line_waits_for_it(clock):
    clock.node.submit(task(1, work=500), "big")
    clock.node.submit(task(2, model="other"), "other")
    told = clock.run()
    assert [what[:2] for what in told] == [("loaded", "big"), ("finished", 1), ("loaded", "other"), ("finished", 2)]
    assert told[2][2] == pytest.approx(told[1][2] + 11.7)


def test_calls_for_a_resident_model_overtake_the_line(clock):
    clock.node.submit(task(1, work=500), "big")
    clock.node.submit(task(2, model="other"), "other")
    clock.run(until=12)
    clock.node.submit(task(3, work=50), "big")
    assert [number for what, number, _ in clock.run() if what == "finished"] == [3, 1, 2]


def test_a_line_that_is_too_long_refuses(clock):
    for number in range(LONGEST_LINE + 2):
        clock.node.submit(task(number, work=1), "big")
    assert ("failed", LONGEST_LINE + 1, pytest.approx(0.05)) in clock.run(until=1)


def test_a_cancelled_call_makes_room_for_the_next(clock):
    first, second, third = task(1, 5000), task(2, 5000), task(3, 100)
    for each in (first, second, third):
        clock.node.submit(each, "big")
    clock.run(until=20)
    assert clock.node.cancel(first)
    assert third.started == 20
    assert not clock.node.cancel(first)


def test_a_dead_node_loses_its_calls_and_that_is_noticed_late(clock):
    clock.node.submit(task(1, 5000), "big")
    clock.run(until=20)
    clock.node.fail()
    clock.node.submit(task(2), "big")
    clock.run()
    assert sorted(clock.told[1:], key=str) == [
        ("down", 0, 20 + NOTICE_SECONDS),
        ("failed", 1, 20 + NOTICE_SECONDS),
        ("failed", 2, 20 + CONNECT_SECONDS),
    ]


def test_a_node_that_is_back_has_nothing_loaded(clock):
    clock.node.submit(None, "big")
    clock.run()
    clock.node.fail()
    clock.node.recover()
    assert set(clock.node.resident()) == set()
    assert clock.run()[-1][0] == "down"
    assert ("up", 0) in [what[:2] for what in clock.told]


def test_a_load_that_died_with_its_node_never_ends(clock):
    clock.node.submit(None, "big")
    clock.run(until=5)
    clock.node.fail()
    clock.node.recover()
    assert "loaded" not in [what for what, *_ in clock.run()]
