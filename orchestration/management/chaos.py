"""What ``bench_chaos`` does: a Drover under load whose processes and servers are killed at random, and an account of
what became of every task."""

import json
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count, islice
from typing import Any
from urllib.request import urlopen

from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper

from orchestration.management import guard, scratch
from orchestration.management.throughput import below, name_of
from orchestration.management.trial import Trial
from orchestration.ollama.simulator import Fault, Herd, NodeSpec, run_in_thread

MODELS = ("llama3.2:latest", "qwen3:8b", "gemma3:4b")
SLOTS = 4
SPEED = 20.0
BATCH = 12
BETWEEN_BATCHES = 1.0
BETWEEN_KILLS = (2.0, 6.0)
NODE_AWAY = (2.0, 6.0)
WATCH_EVERY = 0.05
END_WITHIN = 180.0
COMPARED = 100
VICTIMS = ("worker", "worker", "scheduler", "redis-server", "node")
QUICK = {
    "DROVER_LEASE_SECONDS": "6",
    "DROVER_LEASE_RENEW_SECONDS": "2",
    "DROVER_WORKER_STALE_SECONDS": "6",
    "DROVER_NODE_POLL_SECONDS": "0.5",
    "DROVER_SLOTS_PER_MODEL": str(SLOTS),
}


@dataclass(slots=True)
class Account:
    """``submitted``: each task as it was sent. ``most_at_once``: requests for one model on one server, by the server's
    own count. ``different``: tasks of those compared whose output is not what a server answers to the same question."""

    submitted: dict[int, dict[str, Any]] = field(default_factory=dict)
    kills: Counter[str] = field(default_factory=Counter)
    most_at_once: int = 0
    completed: int = 0
    other_ends: dict[str, int] = field(default_factory=dict)
    unfinished: int = 0
    missing: int = 0
    written_twice: int = 0
    shared_slots: int = 0
    compared: int = 0
    different: list[int] = field(default_factory=list)
    attempts: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def clean(self) -> bool:
        lost = self.unfinished or self.missing or self.other_ends
        wrong = self.written_twice or self.shared_slots or self.different
        return not lost and not wrong and self.most_at_once <= SLOTS


def run(seconds: float, *, seed: int, database_url: str, workers: int = 3) -> Account:
    """Load and killing for so long, then quiet until every task has ended."""
    account, chance = Account(), random.Random(seed)
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # of calls that a dying server breaks off
    specs = [NodeSpec(name=f"gpu-{n}", slots=SLOTS, speed=SPEED, models=MODELS, chunk_tokens=10) for n in range(3)]
    with run_in_thread(specs) as herd, scratch.beside(database_url) as database:
        env = {**QUICK, "OLLAMA_HOSTS": ",".join(herd.urls), "DATABASE_URL": database}
        trial = Trial("--workers", str(workers), env=env)
        with trial, scratch.opened(database or f"sqlite:///{trial.data / 'drover.sqlite3'}") as rows:
            began = time.monotonic()
            with _second_scheduler(trial) as second, _watching(herd, account):
                _storm(trial, herd, second, account, chance, began + seconds)
                _wait_for_end(rows)
            account.seconds = time.monotonic() - began
            _take_stock(rows, account)
            _compare(rows, herd.urls[0], account, chance)
    return account


class Standby:
    """A scheduler beside the one that ``up`` keeps; whoever kills it starts the next."""

    def __init__(self, trial: Trial) -> None:
        self._env = trial.env
        self.process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        command = guard.command_line([sys.executable, str(settings.BASE_DIR / "manage.py"), "scheduler"])
        return subprocess.Popen(command, env=self._env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process = self._start()


@contextmanager
def _second_scheduler(trial: Trial) -> Iterator[Standby]:
    standby = Standby(trial)
    try:
        yield standby
    finally:
        standby.process.terminate()
        standby.process.wait()


@contextmanager
def _watching(herd: Herd, account: Account) -> Iterator[None]:
    """Looks at the servers again and again."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(WATCH_EVERY):
            for node in herd.nodes:
                for model in node.state()["models"].values():
                    account.most_at_once = max(account.most_at_once, model["running"] + model["waiting"])

    thread = threading.Thread(target=watch, name="watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _storm(trial: Trial, herd: Herd, second: Standby, account: Account, chance: random.Random, until: float) -> None:
    key = trial.create_key()
    trial.call("PUT", "agents/default", key, {"config": {"max_concurrent_tasks": 100}})
    for name in MODELS:
        trial.call("POST", "model-configs", key, {"model_name": name, "max_concurrent_requests": 100})
    numbers = count()
    next_batch = next_kill = time.monotonic()
    back: dict[str, float] = {}
    while (now := time.monotonic()) < until:
        if now >= next_batch:
            _submit(trial, key, account, chance, numbers)
            next_batch = now + BETWEEN_BATCHES
        if now >= next_kill:
            _kill(trial, herd, second, account, chance, back)
            next_kill = now + chance.uniform(*BETWEEN_KILLS)
        _revive(herd, back, now)
        time.sleep(0.05)
    _revive(herd, back, float("inf"))


def _submit(trial: Trial, key: str, account: Account, chance: random.Random, numbers: Iterator[int]) -> None:
    tasks = [
        {
            "type": "generate",
            "input": f"Name river {number}.",
            "model_name": chance.choice(MODELS),
            "priority": chance.choice((0, 1, 2)),
            "parameters": {"num_predict": chance.randint(20, 400), "seed": number},
        }
        for number in islice(numbers, BATCH)
    ]
    status, answer = trial.call("POST", "tasks", key, {"tasks": tasks})
    if status != 202:
        raise RuntimeError(f"{status}: {str(answer)[:300]}")
    account.submitted |= {made["id"]: task for made, task in zip(answer["tasks"], tasks, strict=True)}


def _kill(
    trial: Trial, herd: Herd, second: Standby, account: Account, chance: random.Random, back: dict[str, float]
) -> None:
    victim = chance.choice(VICTIMS)
    if victim == "node":
        if back:
            return
        node = chance.choice(herd.nodes)
        node.faults(Fault(kind="die"))
        back[node.name] = time.monotonic() + chance.uniform(*NODE_AWAY)
    elif victim == "scheduler" and chance.random() < 0.5:
        second.kill()
    elif not _kill_one(trial, victim, chance):
        return
    account.kills[victim] += 1


def _kill_one(trial: Trial, role: str, chance: random.Random) -> bool:
    """One of the processes that ``up`` has started; it will start the next."""
    assert trial.process is not None
    pids = [pid for pid in below(trial.process.pid) if name_of(pid) == role]
    if not pids:
        return False
    os.kill(chance.choice(pids), signal.SIGKILL)
    return True


def _revive(herd: Herd, back: dict[str, float], now: float) -> None:
    for name in [name for name, due in back.items() if due <= now]:
        herd.node(name).clear_faults()
        herd.node(name).revive()
        del back[name]


_OPEN = "SELECT COUNT(*) FROM orchestration_task WHERE status NOT IN ('completed', 'failed', 'cancelled')"


def _wait_for_end(rows: BaseDatabaseWrapper) -> None:
    deadline = time.monotonic() + END_WITHIN
    while _all(rows, _OPEN)[0][0] and time.monotonic() < deadline:
        time.sleep(0.2)


def _take_stock(rows: BaseDatabaseWrapper, account: Account) -> None:
    by_status = dict(_all(rows, "SELECT status, COUNT(*) FROM orchestration_task GROUP BY status"))
    account.completed = by_status.pop("completed", 0)
    account.other_ends = {status: by_status[status] for status in ("failed", "cancelled") if status in by_status}
    account.unfinished = _all(rows, _OPEN)[0][0]
    known = {pk for (pk,) in _all(rows, "SELECT id FROM orchestration_task")}
    account.missing = len(account.submitted.keys() - known)
    doubled = (
        "SELECT task_id FROM orchestration_attempt WHERE status = 'completed' GROUP BY task_id HAVING COUNT(*) > 1"
    )
    account.written_twice = len(_all(rows, doubled))
    account.shared_slots = len(_all(rows, _SHARED_SLOTS))
    account.attempts = dict(_all(rows, "SELECT status, COUNT(*) FROM orchestration_attempt GROUP BY status"))


_SHARED_SLOTS = """
SELECT a.id FROM orchestration_attempt a JOIN orchestration_attempt b
ON a.node_id = b.node_id AND a.model_name = b.model_name AND a.num_ctx = b.num_ctx AND a.slot = b.slot AND a.id < b.id
WHERE b.started_at < a.ended_at
"""
"""Attempts that began in a slot before another had left it."""


def _compare(rows: BaseDatabaseWrapper, url: str, account: Account, chance: random.Random) -> None:
    """What is stored of some tasks with what a server says now: with its seed, it says the same again."""
    outputs = dict(_all(rows, "SELECT id, output FROM orchestration_task WHERE status = 'completed'"))
    known = sorted(outputs.keys() & account.submitted.keys())
    sample = chance.sample(known, min(COMPARED, len(known)))
    sample.sort(key=lambda pk: str(account.submitted[pk]["model_name"]))  # one load for each model
    with ThreadPoolExecutor(SLOTS) as callers:
        said = callers.map(lambda pk: ask(url, account.submitted[pk]), sample)
        account.different = [pk for pk, text in zip(sample, said, strict=True) if text != outputs[pk]]
    account.compared = len(sample)


def ask(url: str, task: Mapping[str, Any]) -> str:
    """The server's answer to the question of a task."""
    options = {**task["parameters"], "num_ctx": settings.DROVER_DEFAULT_NUM_CTX}
    question = {"model": task["model_name"], "prompt": task["input"], "options": options, "stream": False}
    with urlopen(f"{url}/api/generate", json.dumps(question).encode(), timeout=120) as answer:
        return str(json.load(answer)["response"])


def _all(rows: BaseDatabaseWrapper, statement: str) -> Sequence[tuple[Any, ...]]:
    with rows.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())
