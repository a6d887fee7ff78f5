"""The waiting line of the laboratory is the one the decision asks for."""

from orchestration.management.lab.line import Line, moment
from orchestration.management.lab.work import LabTask
from orchestration.policy.fleet import COUNTED


def task(number, *, models=("a",), user="alice", priority=1, ready=0.0, workflow_at=None):
    return LabTask(
        id=number,
        born=ready,
        ready=ready,
        models=models,
        output_tokens=10,
        prompt_work=0,
        user=user,
        priority=priority,
        workflow_at=ready if workflow_at is None else workflow_at,
    )


def heads(line, lane=0, priority=1, most=9):
    return [head.task_id for head in line.heads(lane, priority, most)]


def test_tasks_with_the_same_models_share_a_queue():
    line = Line()
    for each in (task(1), task(2), task(3, models=("a", "b"), priority=2)):
        line.add(each)
    assert [(view.models, {cls: queue.count for cls, queue in view.queues.items()}) for view in line.lanes()] == [
        (("a",), {1: 2}),
        (("a", "b"), {2: 1}),
    ]


def test_the_first_of_each_user_come_by_the_age_of_their_workflow():
    line = Line()
    for each in (task(1, ready=5), task(2, ready=6, workflow_at=1), task(3, user="bob"), task(4, ready=7)):
        line.add(each)
    assert heads(line, most=2) == [2, 1, 3]


def test_the_oldest_is_known_after_it_has_started():
    line = Line()
    first, second = task(1, ready=3), task(2, ready=4)
    line.add(first)
    line.add(second)
    assert line.lanes()[0].queues[1].oldest == moment(3)
    line.remove(first)
    assert line.lanes()[0].queues[1].oldest == moment(4)
    line.remove(second)
    assert line.lanes() == []


def test_a_task_that_comes_back_keeps_its_age_and_says_where_it_failed():
    line = Line()
    first = task(1, ready=3)
    line.add(first)
    line.remove(first)
    line.add(first, avoid=2)
    assert line.lanes()[0].queues[1].oldest == moment(3)
    assert [head.avoid for head in line.heads(0, 1, 1)] == [2]


def test_a_long_queue_is_not_counted_to_its_end():
    line = Line()
    for number in range(COUNTED + 5):
        line.add(task(number))
    assert line.lanes()[0].queues[1].count == COUNTED
    assert len(heads(line, most=COUNTED + 5)) == COUNTED + 5
