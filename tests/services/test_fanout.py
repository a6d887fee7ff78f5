"""Fan-out by itself; tests/services/test_steps.py has it among other steps."""

from typing import Any

import pytest
from django.utils import timezone

from orchestration.models import Agent, Node, Task
from orchestration.permissions import Actor
from orchestration.policy.states import RunKind
from orchestration.services import fanout
from orchestration.services.specs import TaskSpec
from orchestration.services.submission import RunPlan, submit_run


@pytest.fixture
def step(agent: Agent, node: Node, as_bob: Actor) -> Task:
    template = {"input": "Name {{item}}", "names": {}, "for_each": "{{input.list}}"}
    specs = [
        TaskSpec(type="generate", input="x"),
        TaskSpec(type="generate", step="each", input="Name {{item}}", after=[0], template=template, tags=["t"]),
    ]
    plan = RunPlan(kind=RunKind.WORKFLOW, inputs={"list": ["a", "b"]})
    return submit_run(actor=as_bob, agent=agent, specs=specs, plan=plan).tasks.get(step="each")


def test_items_are_tasks_like_their_step(step: Task) -> None:
    fanout.spread(step, {"input.list": '["a", "b"]'}, timezone.now())
    items = list(step.items.order_by("pk"))
    assert [(item.step, item.title, item.lane_id, item.tags, item.awaited) for item in items] == [
        ("each[1]", "a", step.lane_id, ["t"], True),
        ("each[2]", "b", step.lane_id, ["t"], True),
    ]
    assert {edge.needs_id for edge in step.dependencies.filter(soft=True)} >= {item.pk for item in items}


@pytest.mark.parametrize(("most", "count"), [(2, 3), (None, fanout.MOST_ITEMS + 1)])
def test_too_many_items_are_refused(most: int | None, count: int, step: Task) -> None:
    step.template["most"] = most
    values: dict[str, Any] = {"input.list": "\n".join(f"line {number}" for number in range(count))}
    with pytest.raises(fanout.TooMuch, match=f"{count:,} items"):
        fanout.spread(step, values, timezone.now())
    assert step.items.count() == 0
