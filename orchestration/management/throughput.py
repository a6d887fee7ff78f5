"""How many tasks a second Drover brings from one bulk request over REST to completed rows: real processes on simulated
nodes, and the design that a plain RQ project would have beside them (stock.py)."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from orchestration.management import scratch
from orchestration.management.trial import Trial
from orchestration.management.worker_bench import usage
from orchestration.ollama.simulator import ModelSpec, NodeSpec, decoder, run_in_thread

MODEL = "swift:latest"
SLOTS = 256
TOKENS = 2
TOKENS_PER_SECOND = 100.0
TASKS_A_REQUEST = 2500
NO_LIMIT = 10_000
PATIENCE_SECONDS = 600.0
ROLES = ("web", "scheduler", "worker", "redis-server")


class Incomplete(Exception):
    """Not every task ended as it should, or was taken at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """``cpu_ms``: of all processes of a kind, for each task; empty where the kernel does not tell."""

    tasks: int
    seconds: float
    cpu_ms: Mapping[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        return self.tasks / self.seconds


def simulate(nodes: int) -> None:
    """Servers whose calls take 20 ms however many there are at once, until nobody reads any more. Their addresses
    come first."""
    decoder.BETA = decoder.DELTA = 0.0
    model = ModelSpec(MODEL, size=10_000_000, family="llama", parameter_size="1B", tokens_per_second=TOKENS_PER_SECOND)
    common: dict[str, Any] = {"models": (model,), "vram_gb": 1000.0, "ram_gb": 1000.0, "jitter": 0.0}
    specs = [NodeSpec(name=f"bench-{n}", slots=SLOTS, max_queue=NO_LIMIT, **common) for n in range(nodes)]
    with run_in_thread(specs) as herd:
        sys.stdout.write(json.dumps(herd.urls) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


@contextmanager
def simulator(nodes: int) -> Iterator[tuple[list[str], int]]:
    """The addresses of the servers, and the process they live in."""
    command = part("simulator", "--nodes", str(nodes))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield json.loads(process.stdout.readline()), process.pid
        process.stdin.close()


def part(name: str, *options: str) -> list[str]:
    """This command in another role."""
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), "bench_throughput", "--part", name, *options]


def measure(tasks: int, *, workers: int, nodes: int, database_url: str) -> Found:
    """From the first request until the last row is completed, by the clock of this machine."""
    env = {"DROVER_WORKER_CAPACITY": str(SLOTS), "DROVER_SLOTS_PER_MODEL": str(SLOTS // nodes)}
    with simulator(nodes) as (urls, pid), scratch.beside(database_url) as database:
        env |= {"OLLAMA_HOSTS": ",".join(urls), "DATABASE_URL": database}
        trial = Trial("--workers", str(workers), env=env)
        with trial, scratch.opened(database or f"sqlite:///{trial.data / 'drover.sqlite3'}") as rows:
            return _measure(trial, rows, tasks, pid)


def _measure(trial: Trial, rows: BaseDatabaseWrapper, tasks: int, simulator: int) -> Found:
    key = trial.create_key()
    _expect(201, trial.call("POST", "model-configs", key, {"model_name": MODEL, "max_concurrent_requests": NO_LIMIT}))
    _expect(200, trial.call("PUT", "agents/default", key, {"config": {"max_concurrent_tasks": NO_LIMIT}}))
    _submit(trial, key, SLOTS)
    _wait(rows, SLOTS)
    before, began = cpu(trial, simulator), timezone.now()
    for first in range(0, tasks, TASKS_A_REQUEST):
        _submit(trial, key, min(TASKS_A_REQUEST, tasks - first))
    seconds = (_wait(rows, SLOTS + tasks) - began).total_seconds()
    after = cpu(trial, simulator)
    check(rows, SLOTS + tasks)
    spent = {role: (after[role] - before.get(role, 0.0)) / tasks for role in after}
    return Found(tasks=tasks, seconds=seconds, cpu_ms=spent)


def _submit(trial: Trial, key: str, count: int) -> None:
    parameters = {"num_predict": TOKENS}
    tasks = [{"type": "generate", "input": f"Name river {number}."} for number in range(count)]
    for task in tasks:
        task |= {"model_name": MODEL}
    _expect(202, trial.call("POST", "tasks", key, {"tasks": tasks, "parameters": parameters}))


def _expect(status: int, answer: tuple[int, Any]) -> None:
    if answer[0] != status:
        raise Incomplete(f"{answer[0]} instead of {status}: {str(answer[1])[:500]}")


def _wait(rows: BaseDatabaseWrapper, count: int) -> datetime:
    """When the last of them completed."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        done, last = _one(rows, "SELECT COUNT(*), MAX(ended_at) FROM orchestration_task WHERE status = 'completed'")
        if done >= count:
            return _aware(last)
        if time.monotonic() > deadline:
            raise Incomplete(f"Only {done} of {count} tasks completed within {PATIENCE_SECONDS:g} s.")
        time.sleep(0.2)


def _one(rows: BaseDatabaseWrapper, statement: str) -> Any:
    with rows.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()


def _aware(moment: datetime | str) -> datetime:
    """SQLite keeps times as text, in UTC."""
    found = parse_datetime(moment) if isinstance(moment, str) else moment
    assert found is not None
    return found if found.tzinfo else timezone.make_aware(found, timezone.get_default_timezone())


def check(rows: BaseDatabaseWrapper, count: int) -> None:
    """Each task has exactly one attempt that completed."""
    (tasks,) = _one(rows, "SELECT COUNT(*) FROM orchestration_task WHERE status = 'completed'")
    completed, distinct = _one(
        rows, "SELECT COUNT(*), COUNT(DISTINCT task_id) FROM orchestration_attempt WHERE status = 'completed'"
    )
    if not tasks == completed == distinct == count:
        raise Incomplete(f"{count} tasks, {tasks} completed by {completed} attempts of {distinct} of them.")


def cpu(trial: Trial, simulator: int) -> dict[str, float]:
    """Milliseconds so far, by what the processes are."""
    if trial.process is None or not Path("/proc/self/task").exists():
        return {}
    found = dict.fromkeys(ROLES, 0.0)
    for pid in below(trial.process.pid):
        if role := name_of(pid):
            found[role] += usage(pid).cpu_ms
    return {**found, "simulator": usage(simulator).cpu_ms}


def name_of(pid: int) -> str:
    """Which of Drover's processes it is; empty for any other."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").split()[:3]
    except OSError:
        return ""
    return next((role for role in ROLES if any(word.endswith(role) for word in words)), "")


def below(pid: int) -> Sequence[int]:
    """The processes that this one has started, and theirs."""
    children = [child for file in Path(f"/proc/{pid}/task").glob("*/children") for child in _listed(file)]
    return [*children, *(other for child in children for other in below(child))]


def _listed(file: Path) -> list[int]:
    """None where the thread has just ended."""
    try:
        return [int(child) for child in file.read_text().split()]
    except OSError:
        return []
