"""What one decision costs: reading, deciding and writing it, with queues of growing length. Leaves no trace."""

import gc
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.utils import timezone

from orchestration.engine.lessons import Lessons, move_log, read_lessons
from orchestration.engine.scheduler import run_pass
from orchestration.management import bundled_redis, guard
from orchestration.models import Agent, Attempt, LoadPlan, Node, NodeModel, OllamaModel, Run, Task, User
from orchestration.ollama.wire import LoadedModel, parse_metrics
from orchestration.policy.states import AttemptStatus, NodeHealth, RunKind, TaskStatus
from orchestration.services import attempts, loads, processes
from orchestration.services.attempts import AttemptResult, Success
from orchestration.services.routes import lane_of

GB = 1_000_000_000
CONTEXT = 4096
ENDS_PER_DECISION = 2
"""Runs that end between two decisions: more than one only under a heavy load."""
LESSONS_EVERY = 1.0
WARM_UP = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    models: int = 50
    nodes: int = 20
    users: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Milliseconds of one decision; ``granted`` over all of them."""

    pending: int
    decisions: int
    mean: float
    p50: float
    p99: float
    granted: int


@contextmanager
def own_redis() -> Iterator[None]:
    """Before anything has spoken to the configured one."""
    folder = Path(tempfile.mkdtemp(prefix="drover-bench-"))
    socket = folder / "redis.sock"
    command = guard.command_line(bundled_redis.command(socket))
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        settings.REDIS_URL = bundled_redis.url(socket)
        bundled_redis.wait_until_answers(settings.REDIS_URL)
        yield
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def own_database() -> Iterator[None]:
    """A fresh one of the configured kind, gone at the end."""
    with tempfile.TemporaryDirectory(prefix="drover-bench-") as folder:
        if connection.vendor == "sqlite":
            connection.settings_dict["TEST"]["NAME"] = f"{folder}/bench.sqlite3"
        before = connection.settings_dict["NAME"]
        connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        try:
            yield
        finally:
            connection.creation.destroy_test_db(before, verbosity=0)


def measure(pending: int, decisions: int, fleet: Fleet) -> Cost:
    """On an empty database: fills it, then times decisions while runs end and loads come and go."""
    now = timezone.now()
    build(fleet)
    fill(pending, fleet, now)
    processes.worker_beat(
        name="bench", hostname="bench", pid=1, capacity=10_000, in_use=0, stopping=False, started_at=now, now=now
    )
    while run_pass(timezone.now()).more:
        pass
    gc.freeze()  # as the scheduler does
    spent, granted = _decide(decisions + WARM_UP)
    gc.unfreeze()
    spent = sorted(spent[WARM_UP:])
    return Cost(
        pending=pending,
        decisions=len(spent),
        mean=statistics.fmean(spent),
        p50=spent[len(spent) // 2],
        p99=spent[min(len(spent) - 1, int(0.99 * len(spent)))],
        granted=granted,
    )


def _decide(count: int) -> tuple[list[float], int]:
    chance = random.Random(1)
    spent: list[float] = []
    granted = 0
    lessons: Lessons | None = None
    for _ in range(count):
        _end_some(chance)
        _end_loads()
        now = timezone.now()
        if lessons is None or (now - lessons.read_at).total_seconds() >= LESSONS_EVERY:
            lessons = read_lessons(now, lessons)
            move_log()
            processes.worker_beat(
                name="bench", hostname="b", pid=1, capacity=10_000, in_use=0, stopping=False, started_at=now, now=now
            )
        began = time.perf_counter()
        granted += run_pass(now, lessons=lessons).granted
        spent.append((time.perf_counter() - began) * 1000)
    return spent, granted


def _end_some(chance: random.Random) -> None:
    """A few runs, as a worker would start and end them."""
    granted = list(Attempt.objects.filter(status=AttemptStatus.GRANTED).values_list("pk", "token"))
    if granted:
        attempts.start_many(granted, worker="bench")
    running = list(Attempt.objects.filter(status=AttemptStatus.RUNNING).values_list("pk", "token"))
    metrics = parse_metrics({"eval_count": 200, "eval_duration": 4_000_000_000, "prompt_eval_count": 30})
    ended = chance.sample(running, min(ENDS_PER_DECISION, len(running)))
    attempts.complete_many([Success(pk, token, AttemptResult(output="done", metrics=metrics)) for pk, token in ended])


def _end_loads() -> None:
    """Every load that has begun is over at once; what it displaced is gone."""
    for plan in LoadPlan.objects.exclude(loading_since=None):
        gone = {model for model, _ in plan.victims}
        rows = NodeModel.objects.filter(node_id=plan.node_id, loaded=True).select_related("model")
        names = {row.model.name for row in rows} - gone | {plan.model_name}
        shown = [_shown(name) for name in sorted(names)]
        loads.loaded(node_id=plan.node_id, token=plan.token, seconds=5.0, loaded=shown, now=timezone.now())


def _shown(name: str) -> LoadedModel:
    until = timezone.now() + timedelta(minutes=30)
    return LoadedModel(
        name=name, digest="", size_bytes=10 * GB, vram_bytes=10 * GB, context_length=CONTEXT, expires_at=until
    )


def build(fleet: Fleet) -> None:
    """Nodes with every model on their disks and two in memory, users, one agent without a tight limit."""
    User.objects.bulk_create([User(username=f"user{number}") for number in range(fleet.users)])
    Agent.objects.create(name="bench", max_concurrent_tasks=10_000)
    names = [f"model{number}:latest" for number in range(fleet.models)]
    models = OllamaModel.objects.bulk_create([OllamaModel(name=name, size_bytes=10 * GB) for name in names])
    for number in range(fleet.nodes):
        node = Node.objects.create(
            name=f"gpu-{number}",
            base_url=f"http://127.0.0.1:{20_000 + number}",
            health=NodeHealth.HEALTHY,
            vram_bytes=24 * GB,
        )
        held = {models[(2 * number + offset) % len(models)].pk for offset in (0, 1)}
        NodeModel.objects.bulk_create([_installed(node, model, model.pk in held) for model in models])


def _installed(node: Node, model: OllamaModel, held: bool) -> NodeModel:
    memory = {"loaded": True, "loaded_context": CONTEXT, "vram_bytes": 10 * GB} if held else {}
    return NodeModel(node=node, model=model, size_bytes=10 * GB, **memory)


def fill(pending: int, fleet: Fleet, now: datetime) -> None:
    """Tasks of all users, models and priorities, in random order."""
    chance = random.Random(2)
    agent = Agent.objects.get(name="bench")
    users = list(User.objects.filter(username__startswith="user").order_by("pk"))
    lanes = [lane_of(agent, "generate", [f"model{number}:latest"], CONTEXT) for number in range(fleet.models)]
    run = Run.objects.create(kind=RunKind.BATCH, agent=agent, agent_name=agent.name)
    tasks = (
        Task(
            run=run,
            position=number,
            owner=(user := chance.choice(users)),
            share=user.pk,
            agent=agent,
            agent_name=agent.name,
            lane=chance.choice(lanes),
            type="generate",
            title=f"task {number}",
            status=TaskStatus.PENDING,
            priority=chance.choices((0, 1, 2), (1, 6, 3))[0],
            line_at=now - timedelta(seconds=chance.uniform(0, 600)),
            ready_at=now - timedelta(seconds=chance.uniform(0, 600)),
            input="Say hello.",
        )
        for number in range(pending)
    )
    while batch := list(islice(tasks, 5000)):
        Task.objects.bulk_create(batch)
    if connection.vendor == "postgresql":  # what its own daemon does within a minute
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
