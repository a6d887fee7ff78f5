from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from orchestration.engine.view import fleet_view
from orchestration.models import Agent, ModelConfig, Node, NodeModel, OllamaModel, Run, Task
from orchestration.policy.decision import Grant
from orchestration.policy.states import NodeHealth
from orchestration.services import grants, processes

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]


def _worker(now: datetime, capacity: int = 10, *, name: str = "w1", stopping: bool = False) -> None:
    processes.worker_beat(
        name=name,
        hostname="h",
        pid=1,
        capacity=capacity,
        in_use=0,
        stopping=stopping,
        started_at=now,
        now=now,
    )


def _grant(task: Task, node: Node, slot: int = 0) -> Grant:
    return Grant(task_id=task.pk, node_id=node.pk, model="llama3.2:latest", num_ctx=4096, slot=slot, reason="test")


def test_the_view_counts_what_is_in_flight_per_slot_model_and_agent(
    submit: Callable[..., Run], node: Node, agent: Agent
) -> None:
    now = timezone.now()
    _worker(now)
    first, second = submit("a", "b").tasks.order_by("position")
    grants.assign(grants=[_grant(first, node, 2)], now=now)
    view = fleet_view(now)
    assert [set(slots) for slots in view.nodes[0].busy.values()] == [{2}]
    assert view.models["llama3.2:latest"].in_flight == 1
    assert view.agents[agent.pk].in_flight == 1
    assert view.worker_room == 9
    assert [task.id for lane in view.lanes for task in lane.tasks] == [second.pk]


def test_a_task_that_must_wait_before_its_next_try_is_not_in_the_view(submitted_task: Task) -> None:
    now = timezone.now()
    Task.objects.filter(pk=submitted_task.pk).update(not_before=now + timedelta(seconds=5))
    assert fleet_view(now).lanes == []
    assert fleet_view(now + timedelta(seconds=6)).lanes


def test_stale_and_stopping_workers_give_no_room(db: None) -> None:
    now = timezone.now()
    _worker(now - timedelta(minutes=1), name="stale")
    _worker(now, name="leaving", stopping=True)
    view = fleet_view(now)
    assert (view.worker_room, view.workers_alive) == (0, 0)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"enabled": False}, "is disabled"),
        ({"draining": True}, "is draining"),
        ({"health": NodeHealth.UNKNOWN}, "has not answered yet"),
        ({"failures": 1}, "did not answer just now"),
        ({"health": NodeHealth.UNHEALTHY, "health_reason": "connection refused"}, "offline: connection refused"),
    ],
)
def test_a_node_that_takes_nothing_new_says_why(make_node: Callable[..., Node], fields: dict, words: str) -> None:
    make_node(**fields)
    assert words in fleet_view(timezone.now()).nodes[0].refuses


def test_rules_come_from_the_configuration_and_the_context_from_the_model(node: Node) -> None:
    OllamaModel.objects.filter(name="llama3.2:latest").update(context_length=2048)
    ModelConfig.objects.create(model_name="llama3.2:latest", max_concurrent_requests=2, priority=7, enabled=False)
    rule = fleet_view(timezone.now()).models["llama3.2:latest"]
    assert (rule.context_length, rule.max_concurrent, rule.priority, rule.enabled) == (2048, 2, 7, False)


def test_embedding_models_have_one_slot(node: Node) -> None:
    OllamaModel.objects.update(capabilities=["embedding"])
    view = fleet_view(timezone.now())
    assert view.nodes[0].slots("llama3.2:latest") == 1


def test_an_agent_at_its_limit_hides_no_other_agent_in_the_same_lane(
    submit: Callable[..., Run], make_agent: Callable[..., Agent], agent: Agent, node: Node
) -> None:
    now = timezone.now()
    _worker(now, capacity=300)
    other = make_agent("other", models=agent.models)
    Agent.objects.filter(pk=agent.pk).update(max_concurrent_tasks=1)
    mine = list(submit(*(f"t{n}" for n in range(20))).tasks.order_by("position"))
    theirs = submit("theirs", agent=other).tasks.get()
    grants.assign(grants=[_grant(mine[0], node)], now=now)
    assert [task.id for lane in fleet_view(now).lanes for task in lane.tasks] == [theirs.pk]


def test_what_is_loaded_is_known_with_its_context(make_node: Callable[..., Node]) -> None:
    make_node(loaded=("llama3.2:latest",))
    NodeModel.objects.update(loaded_context=8192)
    assert fleet_view(timezone.now()).nodes[0].loaded == {"llama3.2:latest": 8192}
