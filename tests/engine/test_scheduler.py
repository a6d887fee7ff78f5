import json
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from orchestration import events
from orchestration.engine.scheduler import Scheduler, run_pass, tidy
from orchestration.models import Agent, Attempt, Lane, ModelConfig, Node, NodeVariant, RoleLease, Run, Task
from orchestration.policy.states import AttemptStatus, NodeHealth, TaskStatus
from orchestration.services import attempts, processes, tasks

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]


@pytest.fixture
def worker(db: None) -> str:
    now = timezone.now()
    processes.worker_beat(
        name="w1", hostname="h", pid=1, capacity=50, in_use=0, stopping=False, started_at=now, now=now
    )
    return "w1"


def _queued(redis_server) -> list[str]:
    return [
        job.decode() if isinstance(job, bytes) else job
        for name in ("high", "normal", "low")
        for job in redis_server.client.lrange(f"rq:queue:{name}", 0, -1)
    ]


def test_a_pass_grants_a_slot_and_queues_the_job_after_the_commit(submitted_task: Task, worker: str, redis_server):
    assert run_pass(timezone.now()).granted == 1
    submitted_task.refresh_from_db()
    attempt = submitted_task.attempts.get()
    assert submitted_task.status == TaskStatus.ASSIGNED
    assert submitted_task.attempt_id == attempt.pk
    assert "llama3.2:latest" in submitted_task.decision_reason
    assert _queued(redis_server) == [f"attempt-{attempt.pk}"]


def test_no_more_is_granted_than_the_node_has_slots(submit: Callable[..., Run], worker: str, node: Node, agent: Agent):
    Agent.objects.update(max_concurrent_tasks=100)
    submit(*(f"t{n}" for n in range(10)))
    assert run_pass(timezone.now()).granted == node.slots_per_model
    assert run_pass(timezone.now()).granted == 0
    assert "busy 4/4 on gpu-a" in Lane.objects.get().waiting_reason
    slots = Attempt.objects.filter(ended_at=None).values_list("slot", flat=True)
    assert sorted(slots) == [0, 1, 2, 3]


def test_the_agents_and_the_models_limits_hold(submit: Callable[..., Run], worker: str, agent: Agent):
    ModelConfig.objects.create(model_name="llama3.2:latest", max_concurrent_requests=2)
    submit(*(f"t{n}" for n in range(5)))
    assert run_pass(timezone.now()).granted == 2
    ModelConfig.objects.update(max_concurrent_requests=50)
    assert run_pass(timezone.now()).granted == agent.max_concurrent_tasks - 2


def test_high_priority_goes_first_then_the_oldest(submit: Callable[..., Run], worker: str, node: Node):
    Node.objects.update(slots_per_model=1)
    low, normal, high = (submit(text, priority=p).tasks.get() for text, p in (("l", 2), ("n", 1), ("h", 0)))
    order = []
    for _ in range(3):
        run_pass(timezone.now())
        task = Task.objects.get(status=TaskStatus.ASSIGNED)
        order.append(task.pk)
        tasks.cancel(actor=_system(), task_id=task.pk)
    assert order == [high.pk, normal.pk, low.pk]


def _system():
    from orchestration.permissions import SYSTEM

    return SYSTEM


def test_nothing_is_granted_without_a_worker_and_the_reason_says_so(submitted_task: Task):
    assert run_pass(timezone.now()).granted == 0
    assert Lane.objects.get().waiting_reason == "No worker is running"


def test_nothing_is_granted_while_redis_is_away(submitted_task: Task, worker: str, redis_server):
    redis_server.stop()
    assert run_pass(timezone.now()).granted == 0
    assert "Redis" in Lane.objects.get().waiting_reason
    redis_server.start()
    assert run_pass(timezone.now()).granted == 1


def test_an_unhealthy_node_gets_nothing_and_the_reason_names_it(submitted_task: Task, worker: str, node: Node):
    Node.objects.update(health=NodeHealth.UNHEALTHY, health_reason="connection refused")
    assert run_pass(timezone.now()).granted == 0
    assert "gpu-a offline" in Lane.objects.get().waiting_reason


def test_a_lease_that_ended_brings_the_task_back_with_a_new_attempt(submitted_task: Task, worker: str):
    now = timezone.now()
    run_pass(now)
    first = submitted_task.attempts.get()
    assert attempts.start(attempt_id=first.pk, token=first.token, worker=worker, now=now)
    later = now + timedelta(seconds=20)
    processes.worker_beat(
        name="w2", hostname="h", pid=2, capacity=5, in_use=0, stopping=False, started_at=later, now=later
    )
    assert tidy(later)
    assert run_pass(later).granted == 1
    assert not tidy(later)
    submitted_task.refresh_from_db()
    first.refresh_from_db()
    assert first.status == AttemptStatus.LOST
    assert (submitted_task.attempt_count, submitted_task.tries) == (2, 0)


def test_a_sequence_runs_one_after_the_other(submit: Callable[..., Run], worker: str):
    run = submit("one", "two", sequential=True)
    assert run_pass(timezone.now()).granted == 1
    assert list(run.tasks.order_by("position").values_list("status", flat=True)) == ["assigned", "blocked"]
    first = Task.objects.get(status=TaskStatus.ASSIGNED)
    tasks.cancel(actor=_system(), task_id=first.pk)
    run_pass(timezone.now())
    second = run.tasks.get(position=1)
    assert second.status == TaskStatus.CANCELLED
    assert "Step 1" in second.error


def test_changed_reasons_are_told_to_whoever_watches(submitted_task: Task, redis_server):
    run_pass(timezone.now())
    entries = redis_server.client.xrange(events.EVENTS)
    told = [json.loads(fields["d"]) for _, fields in entries if fields["k"] == "lanes"]
    assert told == [{str(submitted_task.lane_id): "No worker is running"}]


def test_one_of_two_schedulers_leads_and_hands_over_when_it_stops(submitted_task: Task):
    stops = [threading.Event(), threading.Event()]
    threads = [threading.Thread(target=Scheduler(stop).run) for stop in stops]
    threads[0].start()
    _until(lambda: RoleLease.objects.filter(role="scheduler", until__gt=timezone.now()).exists())
    first = RoleLease.objects.get().holder
    threads[1].start()
    stops[0].set()
    threads[0].join(20)
    _until(lambda: RoleLease.objects.get().holder != first)
    assert RoleLease.objects.get().fence == 2
    stops[1].set()
    threads[1].join(20)


def test_one_that_stands_by_leaves_the_wake_ups_to_the_leader(redis_server, blind, monkeypatch, settings):
    settings.DROVER_PASS = timedelta(seconds=0.05)
    processes.hold_role(role="scheduler", holder="the leader", lease=timedelta(minutes=5))
    looks, hold_role = [], processes.hold_role
    monkeypatch.setattr(processes, "hold_role", lambda **asked: looks.append(asked) or hold_role(**asked))
    stop = threading.Event()
    thread = threading.Thread(target=Scheduler(stop).run)
    events.publish([], wake=True)
    thread.start()
    try:
        _until(lambda: len(looks) > 2)
        assert redis_server.client.llen(events.WAKE) == 1
    finally:
        stop.set()
        thread.join(20)


def _until(condition: Callable[[], bool], seconds: float = 20) -> None:
    waiting = threading.Event()
    for _ in range(int(seconds / 0.05)):
        if condition():
            return
        waiting.wait(0.05)
    raise AssertionError("the condition did not come true")


def test_the_leader_clears_away_what_nobody_uses(node: Node, blind):
    long_ago = timezone.now() - timedelta(days=40)
    NodeVariant.objects.create(node=node, model_name="llama3.2:latest", num_ctx=5000, last_used_at=long_ago)
    stop = threading.Event()
    thread = threading.Thread(target=Scheduler(stop).run)
    thread.start()
    try:
        _until(lambda: not NodeVariant.objects.exists())
    finally:
        stop.set()
        thread.join(20)


@pytest.fixture
def blind(monkeypatch):
    """No monitor: the nodes of these tests are nowhere, and it would find that out."""
    monkeypatch.setattr("orchestration.engine.scheduler.Monitor.run", lambda self: self._stop.wait())


def test_a_redis_that_goes_away_leaves_the_clock(submitted_task: Task, worker: str, redis_server, blind):
    stop = threading.Event()
    thread = threading.Thread(target=Scheduler(stop).run)
    redis_server.stop()
    thread.start()
    try:
        _until(lambda: Lane.objects.filter(waiting_reason__contains="Redis").exists())
        redis_server.start()
        _until(lambda: Attempt.objects.exists())
    finally:
        stop.set()
        thread.join(20)
    assert not thread.is_alive()


def test_a_monitor_that_breaks_ends_the_process_instead_of_leaving_it_half_alive(db, monkeypatch):
    stop = threading.Event()

    def broken(self) -> None:
        raise RuntimeError("the monitor broke")

    monkeypatch.setattr("orchestration.engine.scheduler.Monitor.run", broken)
    with pytest.raises(RuntimeError, match="broke"):
        Scheduler(stop).run()
    assert stop.is_set()
