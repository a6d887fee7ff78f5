"""The workloads are the ones the specification's table was made with."""

import random

import pytest

from orchestration.management.lab.workloads import TITLES, workloads

COUNTS = {"W1": 1500, "W2a": 2000, "W2b": 2000, "W5": 1500, "W6": 1000}


@pytest.mark.parametrize("name", TITLES)
def test_the_same_seed_gives_the_same_tasks(name):
    workload = workloads(0.1)[name]
    first, second = (
        [(task.born, task.models, task.work, task.user, task.priority) for task in workload.tasks(random.Random(3))]
        for _ in range(2)
    )
    assert first == second
    assert {model for row in first for model in row[1]} <= set(workload.models)


@pytest.mark.parametrize(("name", "count"), COUNTS.items())
def test_there_are_as_many_tasks_as_said(name, count):
    assert len(workloads()[name].tasks(random.Random(1))) == count


def test_every_workload_has_a_title():
    assert list(workloads()) == list(TITLES)


def test_workflow_steps_wait_for_their_parents():
    tasks = workloads(0.1)["W4"].tasks(random.Random(1))
    counted = {task.id: 0 for task in tasks}
    for task in tasks:
        for child in task.children:
            assert child.id > task.id
            counted[child.id] += 1
    assert counted == {task.id: task.parents_left for task in tasks}
    assert {task.models for task in tasks} >= {("emb",), ("B", "C"), ("A",)}


def test_the_bulk_user_of_the_dump_is_there_from_the_start():
    tasks = workloads()["W7"].tasks(random.Random(1))
    assert [task.born for task in tasks if task.user == "bulk"] == [0.0] * 800


def test_strangers_ask_one_node_for_a_model_of_their_own():
    strangers = [task for task in workloads(0.2)["W8"].tasks(random.Random(1)) if task.outsider]
    assert strangers
    assert {(task.node, task.models) for task in strangers} == {(0, ("ext",))}


def test_a_scale_shortens_the_time_of_faults_with_the_work():
    assert [fault.at for fault in workloads(0.1)["W5"].faults] == [25, 55]
