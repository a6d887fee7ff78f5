"""The fleet as the policy sees it: what is in flight, what people decided, and who has received what."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from orchestration.engine.view import fleet_view, parameters
from orchestration.models import Agent, Attempt, ModelConfig, Node, OllamaModel, Pause, Run, ShareAccount, Task, User
from orchestration.policy.decision import Grant
from orchestration.policy.fleet import Variant
from orchestration.policy.states import PauseKind
from orchestration.services import attempts, grants, processes, setbacks

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]

MODEL = "llama3.2:latest"


def worker(capacity: int = 10, *, name: str = "w1", age: float = 0, stopping: bool = False) -> None:
    now = timezone.now() - timedelta(seconds=age)
    kept = {"hostname": "h", "pid": 1, "in_use": 0, "started_at": now, "now": now}
    processes.worker_beat(name=name, capacity=capacity, stopping=stopping, **kept)


def grant(task: Task, node: Node, slot: int = 0) -> Attempt:
    given = Grant(task_id=task.pk, node_id=node.pk, model=MODEL, num_ctx=4096, slot=slot, reason="test")
    (job,) = grants.assign(grants=[given], now=timezone.now())
    return Attempt.objects.get(pk=job.attempt_id)


def test_what_is_in_flight_is_counted_by_slot_model_agent_and_user(
    submit: Callable[..., Run], node: Node, agent: Agent, bob: User
) -> None:
    worker()
    first, second = submit("a", "b", priority=2).tasks.order_by("position")
    attempt = grant(first, node, 2)
    view = fleet_view(timezone.now())
    (run,) = view.nodes[0].runs
    assert (run.attempt_id, run.variant, run.slot) == (attempt.pk, Variant(model=MODEL, num_ctx=4096), 2)
    assert (run.priority, run.preempted, run.agent, run.share) == (2, False, agent.pk, bob.pk)
    assert run.since == attempt.granted_at
    assert (view.models[MODEL].in_flight, view.agents[agent.pk].in_flight) == (1, 1)
    assert view.shares[bob.pk].in_flight == 1
    assert view.worker_room == 9
    (lane,) = view.lanes
    assert [head.task_id for head in view.heads(lane.id, 2, 9)] == [second.pk]


def test_who_made_way_once_is_known(submitted_task: Task, node: Node) -> None:
    first = grant(submitted_task, node)
    setbacks.preempt(attempt_id=first.pk, reason="a high task")
    grant(submitted_task, node)
    assert fleet_view(timezone.now()).nodes[0].runs[0].preempted


def test_a_run_whose_node_is_gone_still_counts_for_its_agent_and_worker(submitted_task: Task, node: Node) -> None:
    worker()
    grant(submitted_task, node)
    Attempt.objects.update(node=None)
    view = fleet_view(timezone.now())
    assert view.nodes[0].runs == ()
    assert view.worker_room == 9


def test_what_has_ended_takes_nothing(submitted_task: Task, node: Node) -> None:
    attempt = grant(submitted_task, node)
    assert attempts.start(attempt_id=attempt.pk, token=attempt.token, worker="w1")
    setbacks.give_back(attempt_id=attempt.pk, token=attempt.token, reason="the worker ends")
    assert fleet_view(timezone.now()).nodes[0].runs == ()


def test_a_task_that_must_wait_before_its_next_try_is_not_in_the_view(submitted_task: Task) -> None:
    Task.objects.update(not_before=timezone.now() + timedelta(seconds=5))
    assert fleet_view(timezone.now()).lanes == []
    assert setbacks.release_due(now=timezone.now() + timedelta(seconds=6)) == 1
    assert fleet_view(timezone.now()).lanes


def test_stale_and_stopping_workers_give_no_room(db: None) -> None:
    worker(name="stale", age=60)
    worker(name="leaving", stopping=True)
    view = fleet_view(timezone.now())
    assert (view.worker_room, view.workers_alive, view.worker_capacity) == (0, 0, 0)


def test_rules_come_from_the_configuration_and_the_context_from_the_model(node: Node) -> None:
    OllamaModel.objects.filter(name=MODEL).update(context_length=2048)
    ModelConfig.objects.create(model_name=MODEL, max_concurrent_requests=2, priority=7, enabled=False)
    rule = fleet_view(timezone.now()).models[MODEL]
    assert (rule.context_length, rule.max_concurrent, rule.priority, rule.enabled) == (2048, 2, 7, False)


@pytest.mark.parametrize(
    ("kind", "key", "words"),
    [
        (PauseKind.PRIORITY, "2", "Low priority paused by ana"),
        (PauseKind.AGENT, None, "Agent writer paused by ana"),
        (PauseKind.MODEL, MODEL, f"{MODEL} paused by ana"),
    ],
)
def test_a_pause_is_told_with_who_made_it_and_since_when(
    kind: PauseKind, key: str | None, words: str, agent: Agent
) -> None:
    at = timezone.now()
    Pause.objects.create(kind=kind, key=key or str(agent.pk), paused_by_name="ana", paused_at=at)
    view = fleet_view(timezone.now())
    models = {name: rule.paused for name, rule in view.models.items() if rule.paused}
    found = {
        PauseKind.PRIORITY: view.paused.get(2),
        PauseKind.AGENT: view.agents[agent.pk].paused,
        PauseKind.MODEL: models.get(MODEL),
    }
    assert found.pop(kind) == f"{words} since {at:%H:%M} UTC"
    assert not any(found.values())


def test_users_bring_what_they_have_received_their_limit_and_their_name(submitted_task: Task, bob: User) -> None:
    User.objects.filter(pk=bob.pk).update(max_concurrent_tasks=3)
    ShareAccount.objects.create(share=bob.pk, service=500, active=True)
    ShareAccount.objects.create(share=99, service=7, active=True)
    view = fleet_view(timezone.now())
    rule = view.shares[bob.pk]
    assert (rule.name, rule.service, rule.active, rule.max_concurrent) == ("bob", 500, True, 3)
    assert view.shares[99].active
    assert view.waiting_shares == {bob.pk}


def test_the_parameters_are_settings(settings: Any) -> None:
    settings.DROVER_STAY, settings.DROVER_HOT, settings.DROVER_PREEMPT = 3.0, 0.1, False
    settings.DROVER_MAX_LOADED_MODELS, settings.DROVER_CREDIT_TOKENS = 5, 9.0
    settings.DROVER_PATIENCE = {it: timedelta(seconds=it) for it in range(3)}
    made = parameters()
    assert (made.stay, made.hot, made.preempt, made.most_loaded, made.credit) == (3, 0.1, False, 5, 9)
    assert made.patience[2] == timedelta(seconds=2)


def test_the_number_of_statements_does_not_grow_with_the_queue(
    submit: Callable[..., Run], django_assert_max_num_queries: Any
) -> None:
    submit(*(f"t{number}" for number in range(100)))
    with django_assert_max_num_queries(30):
        fleet_view(timezone.now())
