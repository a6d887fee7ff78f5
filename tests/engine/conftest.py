"""Attempts as the scheduler grants them, a simulated node to run them on, and a worker in threads of this process."""

import asyncio
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from django.conf import settings
from django.utils import timezone
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.utils import now

from orchestration import queue
from orchestration.engine.frames import Frames
from orchestration.engine.handles import CURRENT, Handle
from orchestration.engine.leases import Leases, Profile
from orchestration.engine.rq_bookkeeping import Books
from orchestration.engine.runner import Runner
from orchestration.engine.worker import StreamWorker
from orchestration.engine.writer import Writer
from orchestration.models import Agent, Attempt, Lane, Node, Run, Task
from orchestration.ollama.simulator import ModelSpec, NodeHandle, NodeSpec
from orchestration.policy.states import AttemptStatus, RunKind, TaskStatus

FAST, SLOW, HEAVY, VECTORS = "fast:latest", "slow:latest", "heavy:latest", "vectors:latest"
MB = 1_000_000
MODELS = (
    ModelSpec(FAST, size=10 * MB, family="llama", parameter_size="1B", tokens_per_second=3000.0),
    ModelSpec(SLOW, size=10 * MB, family="llama", parameter_size="1B", tokens_per_second=40.0),
    ModelSpec(HEAVY, size=4000 * MB, family="llama", parameter_size="8B"),
    ModelSpec(VECTORS, size=10 * MB, family="bert", parameter_size="1B", capabilities=("embedding",)),
)


def wait_until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """What the condition gives as soon as it is true of the world."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.01)
    return found


@pytest.fixture
def gpu(make_simulator: Callable[..., Any]) -> NodeHandle:
    """The simulated server, seen from its own side."""
    spec = NodeSpec(name="gpu-a", models=MODELS, vram_gb=80, slots=64, disk_gb_per_second=0.2, jitter=0.0)
    return make_simulator([spec]).nodes[0]


@pytest.fixture
def gpu_node(transactional_db: None, gpu: NodeHandle, make_node: Callable[..., Node]) -> Node:
    return make_node("gpu-a", base_url=gpu.url, models=(FAST, SLOW, HEAVY, VECTORS))


@pytest.fixture
def grant(gpu_node: Node, make_agent: Callable[..., Agent]) -> Callable[..., list[Attempt]]:
    """Attempts that hold their slots, as if the scheduler had just granted them. Queued only when asked to."""
    agent = make_agent()
    slots = iter(range(10_000))

    def make(
        count: int = 1, *, model: str = FAST, enqueue: bool = True, priority: str = "normal", **fields: Any
    ) -> list[Attempt]:
        lane, _ = Lane.objects.get_or_create(key=model, defaults={"models": [model], "num_ctx": 4096})
        run = Run.objects.create(kind=RunKind.BATCH, agent=agent, agent_name=agent.name)
        granted = [_granted(run, lane, gpu_node, next(slots), priority, fields) for _ in range(count)]
        if enqueue:
            assert queue.run_attempts(map(job_of, granted))
        return granted

    return make


def _granted(run: Run, lane: Lane, node: Node, slot: int, queue_name: str, fields: dict[str, Any]) -> Attempt:
    now, token, model = timezone.now(), secrets.token_hex(16), lane.models[0]
    fields = {"type": "generate", "input": "Tell me about alpacas.", "options": {"num_predict": 20}} | fields
    task = Task.objects.create(
        run=run,
        agent_name=run.agent_name,
        lane=lane,
        title="a task",
        status=TaskStatus.ASSIGNED,
        token=token,
        attempt_count=1,
        ready_at=now,
        node=node,
        node_name=node.name,
        model_used=model,
        **fields,
    )
    attempt = Attempt.objects.create(
        task=task,
        number=1,
        node=node,
        node_name=node.name,
        model_name=model,
        num_ctx=4096,
        slot=slot,
        token=token,
        status=AttemptStatus.GRANTED,
        queue=queue_name,
        granted_at=now,
        lease_until=now + settings.DROVER_LEASE,
    )
    Task.objects.filter(pk=task.pk).update(attempt_id=attempt.pk)
    return attempt


def job_of(attempt: Attempt) -> queue.AttemptJob:
    return queue.AttemptJob(attempt_id=attempt.pk, token=attempt.token, queue=attempt.queue, lease_seconds=60)


def statuses(attempts: list[Attempt]) -> list[str]:
    """Of their tasks, sorted."""
    return sorted(Task.objects.filter(pk__in=[it.task_id for it in attempts]).values_list("status", flat=True))


class WorkerInThread:
    """What is a process in life; here the test can look at it."""

    def __init__(self, capacity: int) -> None:
        self.worker = StreamWorker.create(capacity=capacity)
        self.thread = threading.Thread(target=self.worker.work, name="worker under test")
        self.thread.start()
        wait_until(lambda: self.worker.get_state() == "idle" and self.worker.pubsub_thread)

    def stop(self) -> None:
        self.worker.request_stop()
        self.thread.join(60)
        assert not self.thread.is_alive()


@pytest.fixture
def start_worker(redis_server: Any, transactional_db: None) -> Iterator[Callable[..., WorkerInThread]]:
    running: list[WorkerInThread] = []

    def start(capacity: int = 50) -> WorkerInThread:
        running.append(WorkerInThread(capacity))
        return running[-1]

    yield start
    redis_server.start()
    for worker in running:
        worker.worker.hurried = True
        worker.stop()


@pytest.fixture
def rq_connection(redis_server: Any):
    connection = redis.Redis.from_url(settings.REDIS_URL)
    yield connection
    connection.close()


@pytest.fixture
def idle_worker(rq_connection: Any):
    worker = StreamWorker(
        ["high", "normal", "low"], "w-1", connection=rq_connection, prepare_for_work=False, capacity=3
    )
    worker.hostname, worker.pid = "here", 1
    worker.birth_date = worker.last_heartbeat = now()
    return worker


@pytest.fixture
def books(idle_worker: Any):
    return Books(idle_worker)


@pytest.fixture
def normal(rq_connection: Any):
    return Queue("normal", connection=rq_connection, serializer=JSONSerializer)


@pytest.fixture
def handle(normal: Any, books: Any):
    """A claimed attempt."""
    normal.enqueue(queue.RUN_ATTEMPT, 1, "token", job_id="attempt-1", ttl=15, job_timeout=-1)
    (job,) = books.fetch([normal.pop_job_id()])
    return Handle(job)


async def run_in_engine(attempt, handle, during):
    writer = Writer()
    writer.start()
    profile = Profile(name="w-1", hostname="here", pid=1, capacity=5, started_at=timezone.now())
    frames, leases = Frames("w-1"), Leases(profile, writer, in_use=lambda: 1, stopping=lambda: False)
    engine = Runner(worker="w-1", writer=writer, frames=frames, leases=leases)
    keepers = [asyncio.create_task(it()) for it in (frames.run, leases.renew_forever, leases.watch_forever)]
    CURRENT.set(handle)
    watching = asyncio.ensure_future(during(handle)) if during else None
    try:
        await engine.run(attempt.pk, attempt.token)
    finally:
        for keeper in keepers:
            keeper.cancel()
        if watching:
            await watching
        await frames.close()
        await engine.aclose()
        await asyncio.to_thread(writer.close, 5)


@pytest.fixture
def run(redis_server):
    """Runs one attempt to its end and gives the task as it is then. ``during`` is a coroutine beside it."""

    def run_attempt(attempt, during=None, stop=None):
        handle = Handle(Job.create("orchestration.engine.jobs.run_attempt", connection=redis_server.client))
        if stop:
            handle.stop(stop)
        asyncio.run(run_in_engine(attempt, handle, during))
        attempt.refresh_from_db()
        return Task.objects.get(pk=attempt.task_id)

    return run_attempt


def granted(grant, **fields):
    (attempt,) = grant(enqueue=False, **fields)
    return attempt
