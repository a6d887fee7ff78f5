"""Passes that load, displace and push back, that share their work with nobody, and that exclude each other."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from orchestration.engine.scheduler import run_pass
from orchestration.models import (
    Agent,
    Attempt,
    Lane,
    LoadPlan,
    Node,
    NodeModel,
    OllamaModel,
    Run,
    ShareAccount,
    Task,
    User,
)
from orchestration.policy.states import AttemptStatus, TaskStatus
from orchestration.queries.status import SCHEDULER_ROLE
from orchestration.services import processes

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server", "worker")]

GB = 1_000_000_000
SMALL, OTHER = "llama3.2:latest", "qwen:32b"


@pytest.fixture
def worker(db: None) -> None:
    now = timezone.now()
    kept = {"hostname": "h", "pid": 1, "in_use": 0, "stopping": False, "started_at": now, "now": now}
    processes.worker_beat(name="w1", capacity=50, **kept)


@pytest.fixture
def other(make_agent: Callable[..., Agent]) -> Agent:
    """Wants a model that no node holds."""
    return make_agent("other", models=[OTHER], max_concurrent_tasks=50)


@pytest.fixture
def tight(make_node: Callable[..., Node]) -> Node:
    """Has room for one model only."""
    tight = make_node("gpu-t", models=(SMALL, OTHER), loaded=(SMALL,), vram_bytes=11 * GB)
    NodeModel.objects.filter(node=tight).update(vram_bytes=10 * GB)
    return tight


def wait_for(run: Run, seconds: float) -> None:
    Task.objects.filter(run=run).update(ready_at=timezone.now() - timedelta(seconds=seconds))


def test_a_model_nobody_holds_is_loaded_where_it_costs_only_an_idle_one(
    submit: Callable[..., Run], other: Agent, tight: Node
) -> None:
    submit("text", agent=other)
    done = run_pass(timezone.now())
    assert (done.granted, done.loads) == (0, True)
    plan = LoadPlan.objects.get()
    assert (plan.node, plan.model_name, plan.victims) == (tight, OTHER, [[SMALL, 4096]])
    assert plan.loading_since
    lane = Lane.objects.get(agent=other)
    assert (lane.waiting_code, lane.waiting_reason) == ("loading", f"{OTHER} is loading on gpu-t")
    assert not run_pass(timezone.now()).loads, "it has begun"


def test_a_late_high_task_pushes_a_low_one_back_once_and_the_load_begins(
    submit: Callable[..., Run], other: Agent, node: Node
) -> None:
    Node.objects.update(vram_bytes=11 * GB)
    NodeModel.objects.update(vram_bytes=10 * GB)
    NodeModel.objects.create(node=node, model=OllamaModel.objects.create(name=OTHER), size_bytes=2 * GB)
    low = submit("low", priority=2).tasks.get()
    assert run_pass(timezone.now()).granted == 1
    high = submit("high", agent=other, priority=0)
    wait_for(high, 3)
    run_pass(timezone.now())
    attempt = Attempt.objects.get()
    low.refresh_from_db()
    assert (attempt.status, attempt.error_code, attempt.counts_as_try) == (AttemptStatus.LOST, "preempted", False)
    assert (low.status, low.preemptions, low.tries) == (TaskStatus.PENDING, 1, 0)
    assert LoadPlan.objects.get().loading_since is None
    assert run_pass(timezone.now()).granted == 0, "the node makes room, so the low task does not come back at once"
    assert LoadPlan.objects.get().loading_since


def test_what_was_granted_is_charged_to_the_user_who_gets_it(submitted_task: Task, bob: User) -> None:
    run_pass(timezone.now())
    account = ShareAccount.objects.get(share=bob.pk)
    assert (account.service, account.active) == (250, True)
    Task.objects.update(status=TaskStatus.COMPLETED)
    Attempt.objects.update(ended_at=timezone.now(), settled=True)
    run_pass(timezone.now())
    account.refresh_from_db()
    assert (account.service, account.active) == (250, False)


def test_whoever_has_lost_the_role_decides_nothing_any_more(submitted_task: Task) -> None:
    now = timezone.now()
    processes.hold_role(role=SCHEDULER_ROLE, holder="another", lease=timedelta(seconds=5), now=now)
    former = run_pass(now, holder="former")
    assert (former.held, former.granted) == (False, 0)
    assert run_pass(now, holder="another").granted == 1


def test_a_pass_renews_the_role_it_is_made_by(submitted_task: Task) -> None:
    now = timezone.now()
    processes.hold_role(role=SCHEDULER_ROLE, holder="leader", lease=timedelta(seconds=1), now=now)
    assert run_pass(now + timedelta(seconds=0.5), holder="leader").held
    assert run_pass(now + timedelta(seconds=4), holder="leader").held
    assert not run_pass(now + timedelta(seconds=60), holder="leader").held


def test_two_passes_at_once_never_give_a_slot_twice_nor_plan_a_node_twice(
    submit: Callable[..., Run], other: Agent, tight: Node, node: Node, agent: Agent
) -> None:
    """Without the fence, as if each took itself for the leader."""
    Agent.objects.update(max_concurrent_tasks=100)
    submit(*(f"t{number}" for number in range(30)))
    wait_for(submit("a", "b", agent=other), 100)
    together, faults = threading.Barrier(2), []

    def decide() -> None:
        try:
            together.wait(timeout=30)
            for _ in range(3):
                run_pass(timezone.now())
        except Exception as fault:
            faults.append(fault)
        finally:
            connection.close()

    deciders = [threading.Thread(target=decide) for _ in range(2)]
    for decider in deciders:
        decider.start()
    for decider in deciders:
        decider.join(timeout=120)
    assert faults == []
    live: Any = Attempt.objects.filter(ended_at=None)
    assert live.filter(node=node).count() == node.slots_per_model
    assert live.filter(node=tight).count() <= tight.slots_per_model
    assert Task.objects.filter(status=TaskStatus.ASSIGNED).count() == live.count()
    assert LoadPlan.objects.count() <= 1
