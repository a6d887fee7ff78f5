"""The lane of a task: its models, its context, its node; tests/services/test_submission.py has the rest."""

from typing import Any

import pytest

from orchestration.models import Agent, Lane, Node, Task
from orchestration.permissions import Actor
from orchestration.policy.states import RunKind
from orchestration.services.routes import Rooms, lane_of
from orchestration.services.specs import TaskSpec
from orchestration.services.submission import RunPlan, submit_run


@pytest.fixture
def place(agent: Agent, node: Node, as_bob: Actor) -> Any:
    def make(**fields: Any) -> Task:
        spec = TaskSpec(type="generate", input="Say hello.", **fields)
        run = submit_run(actor=as_bob, agent=agent, specs=[spec], plan=RunPlan(kind=RunKind.SINGLE))
        return run.tasks.select_related("lane", "agent").get()

    return make


def test_the_same_wishes_share_a_lane(agent: Agent) -> None:
    assert lane_of(agent, "chat", ["a:latest"], 4096) == lane_of(agent, "chat", ["a:latest"], 4096)
    assert Lane.objects.count() == 1


@pytest.mark.parametrize(
    "other", [("chat", ["b:latest"], 4096), ("embed", ["a:latest"], 4096), ("chat", ["a:latest"], 8192)]
)
def test_other_wishes_have_another_lane(other: Any, agent: Agent) -> None:
    assert lane_of(agent, "chat", ["a:latest"], 4096) != lane_of(agent, *other)


def test_a_pinned_task_waits_in_a_lane_of_its_node(place: Any, node: Node) -> None:
    assert (place().lane.node, place(node_id=node.pk).lane.node) == (None, node)


def test_a_step_that_stays_small_stays_in_its_lane(place: Any) -> None:
    task = place()
    assert Rooms().place(task, {"input": "Short."}).lane == task.lane


def test_a_step_that_grew_moves_to_more_context_on_the_same_node(place: Any, node: Node) -> None:
    task = place(node_id=node.pk)
    lane, note, _, said = Rooms().place(task, {"input": "word " * 20_000})
    assert (lane.models, lane.node) == (task.lane.models, node)
    assert lane.num_ctx > task.lane.num_ctx
    assert "context" in note
    assert said == {"num_ctx": (lane.num_ctx, "what prompt and answer need")}


def test_who_named_a_size_keeps_it(place: Any) -> None:
    task = place(parameters={"num_ctx": 4096})
    assert Rooms().place(task, {"input": "word " * 20_000}).lane == task.lane
