"""Every waiting task says why it waits, in a handful of queries."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from orchestration.models import Agent, Lane, Node, Task, TaskDependency
from orchestration.queries import get_task, waiting_reasons
from tests.queries.conftest import Make


def _reason(task: Task, **fields: Any) -> str | None:
    return waiting_reasons([get_task(task.pk)], **fields).get(task.pk)


def test_before_the_first_pass_it_waits_for_the_scheduler(make_task: Make) -> None:
    assert _reason(make_task()) == "Waits for the scheduler"


def test_the_reason_of_the_lane_is_the_reason_of_its_tasks(make_task: Make) -> None:
    task = make_task()
    Lane.objects.update(waiting_reason="llama3.2:latest busy 4/4 on gpu-a")
    assert _reason(task) == "llama3.2:latest busy 4/4 on gpu-a"


def test_a_task_to_be_tried_again_says_when_and_after_what(make_task: Make) -> None:
    now = timezone.now()
    task = make_task(not_before=now + timedelta(seconds=8), tries=1, error="gpu-a is away\nTraceback …")
    assert _reason(task, now=now) == "Retry 2/3 in 8 s after: gpu-a is away"
    assert _reason(task, now=now + timedelta(seconds=9)) == "Waits for the scheduler"


def test_a_long_error_is_cut(make_task: Make) -> None:
    now = timezone.now()
    reason = _reason(make_task(not_before=now + timedelta(seconds=8), error="x" * 500), now=now)
    assert reason is not None
    assert len(reason) < 160


def test_an_agent_at_its_limit_is_the_reason_of_its_tasks_only(
    make_task: Make, agent: Agent, make_agent: Any, node: Node
) -> None:
    Agent.objects.filter(pk=agent.pk).update(max_concurrent_tasks=2)
    make_task("running")
    held, free = make_task(), make_task(agent=make_agent("other"))
    assert _reason(held) == "Waits for the scheduler"
    make_task("assigned")
    assert _reason(held) == "Agent limit 2/2"
    assert _reason(free) == "Waits for the scheduler"


def test_a_step_names_the_step_it_waits_for(make_task: Make) -> None:
    first = make_task(title="extract", position=0)
    step = make_task("blocked", position=1)
    TaskDependency.objects.create(task=step, needs=first)
    assert _reason(step) == "Waits for step 1 “extract”"


def test_a_granted_task_is_starting(make_task: Make) -> None:
    assert _reason(make_task("assigned")) == "Starting on gpu-a"


@pytest.mark.parametrize("status", ["running", "completed", "failed", "cancelled"])
def test_what_does_not_wait_has_no_reason(status: str, make_task: Make) -> None:
    assert _reason(make_task(status)) is None


def test_many_reasons_cost_as_much_as_few(make_task: Make, django_assert_max_num_queries: Any) -> None:
    first = make_task()
    for _ in range(5):
        TaskDependency.objects.create(task=make_task("blocked"), needs=first)
        make_task()
    tasks = list(Task.objects.light())
    with django_assert_max_num_queries(3):
        assert len(waiting_reasons(tasks)) == 11
