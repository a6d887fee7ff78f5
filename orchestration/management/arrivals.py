"""How long a task takes from its submit to the socket of a server, by the server's own account: with Drover idle, and
with about half of its slots busy."""

import http.client
import itertools
import json
import random
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

from django.conf import settings

from orchestration.management import scratch
from orchestration.management.realtime import servers
from orchestration.management.trial import Trial
from orchestration.ollama.simulator import ModelSpec, NodeSpec, decoder, run_in_thread

MODEL = "swift:latest"
PROMPT = "Say hello to the team."
SLOTS = 16
TOKENS_PER_SECOND = 40.0
CALL_SECONDS = 1.0
BUSY = 0.5
PAUSES = (0.1, 0.4)
"""Between two tasks of an idle Drover: neither in step with its clock, nor in the wake of the last one."""
SUBMITTERS = 8
READ_EVERY = 100
"""Servers remember their last 500 requests."""
WARM_UP = 5
NO_LIMIT = 1000
IN_TIME = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """Seconds to the server's socket. ``busy``: the mean share of slots in use during the measurement under load."""

    direct: list[float]
    idle: list[float]
    loaded: list[float]
    busy: float


def simulate() -> None:
    """A server whose calls take as long however many there are at once, until nobody reads any more."""
    decoder.BETA = decoder.DELTA = 0.0
    model = ModelSpec(MODEL, size=10_000_000, family="llama", parameter_size="1B", tokens_per_second=TOKENS_PER_SECOND)
    with run_in_thread([NodeSpec(name="bench", slots=2 * SLOTS, models=(model,), jitter=0.0)]) as herd:
        sys.stdout.write(json.dumps(herd.urls) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


def measure(count: int, database_url: str = "") -> Arrivals:
    """Each request is told from the others by its seed. Sender and server are processes of one machine, whose
    monotonic clock they share."""
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "bench_latency", "--part", "simulator"]
    with servers(command) as (url,), scratch.beside(database_url) as database:
        env = {"OLLAMA_HOSTS": url, "DROVER_SLOTS_PER_MODEL": str(SLOTS), "DATABASE_URL": database}
        with Trial(env=env) as trial:
            return _Course(trial, url).run(count)


class _Course:
    def __init__(self, trial: Trial, url: str) -> None:
        self._trial = trial
        self._url = url
        self._key = trial.create_key()
        self._chance = random.Random(1)
        self._seeds = itertools.count(1)
        self._arrived: dict[int, Mapping[str, Any]] = {}

    def run(self, count: int) -> Arrivals:
        trial, key = self._trial, self._key
        trial.call("PUT", "agents/default", key, {"config": {"max_concurrent_tasks": NO_LIMIT}})
        trial.call("POST", "model-configs", key, {"model_name": MODEL, "max_concurrent_requests": NO_LIMIT})
        for _ in range(WARM_UP):
            self._one_after_the_other()
        direct = dict(self._ask_directly() for _ in range(count))
        idle = dict(self._one_after_the_other() for _ in range(count))
        loaded = self._under_load(count)
        return Arrivals(
            direct=self._waits(direct),
            idle=self._waits(idle),
            loaded=self._waits(loaded),
            busy=busy_share([self._arrived[seed] for seed in loaded]),
        )

    def _ask_directly(self) -> tuple[int, float]:
        seed, parts = self._next_seed(), urlsplit(self._url)
        options = {**options_of(seed, 1), "num_ctx": settings.DROVER_DEFAULT_NUM_CTX}
        body = json.dumps({"model": MODEL, "prompt": PROMPT, "options": options})
        with closing(http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=120)) as connection:
            began = time.monotonic()
            connection.request("POST", "/api/generate", body, {"Content-Type": "application/json"})
            connection.getresponse().read()
        return seed, began

    def _one_after_the_other(self) -> tuple[int, float]:
        seed = self._next_seed()
        began, task = self._submit(seed, 2)
        for _ in self._trial.lines(f"tasks/{task}/stream", self._key):
            pass
        time.sleep(self._chance.uniform(*PAUSES))
        return seed, began

    def _under_load(self, count: int) -> dict[int, float]:
        """Submitted at random moments, as by many people who do not know of each other."""
        tokens = round(CALL_SECONDS * TOKENS_PER_SECOND)
        with ThreadPoolExecutor(SUBMITTERS) as submitters:
            sent = []
            for _ in range(count):
                time.sleep(self._chance.expovariate(BUSY * SLOTS / CALL_SECONDS))
                seed = self._next_seed()
                sent.append((seed, submitters.submit(self._submit, seed, tokens)))
            return {seed: future.result()[0] for seed, future in sent}

    def _submit(self, seed: int, tokens: int) -> tuple[float, int]:
        task = {"type": "generate", "input": PROMPT, "model_name": MODEL, "parameters": options_of(seed, tokens)}
        began = time.monotonic()
        status, answer = self._trial.call("POST", "tasks", self._key, {"tasks": [task]})
        if status != 202:
            raise RuntimeError(f"the task was not taken: {answer}")
        return began, answer["tasks"][0]["id"]

    def _next_seed(self) -> int:
        seed = next(self._seeds)
        if seed % READ_EVERY == 0:
            self._read()
        return seed

    def _read(self) -> None:
        with urlopen(f"{self._url}/_simulator/state", timeout=10) as answer:
            self._arrived |= by_seed(json.load(answer)["requests"])

    def _waits(self, began: Mapping[int, float]) -> list[float]:
        deadline = time.monotonic() + IN_TIME
        while not all(self._arrived.get(seed, {}).get("ended") for seed in began):
            if time.monotonic() > deadline:
                raise RuntimeError("not every request has come to the server and ended there")
            time.sleep(0.1)
            self._read()
        return [self._arrived[seed]["started"] - at for seed, at in began.items()]


def options_of(seed: int, tokens: int) -> dict[str, int]:
    return {"seed": seed, "num_predict": tokens}


def by_seed(requests: Sequence[Mapping[str, Any]]) -> dict[int, Mapping[str, Any]]:
    """The first request with each seed."""
    return {each["options"]["seed"]: each for each in reversed(requests) if "seed" in each["options"]}


def busy_share(requests: Sequence[Mapping[str, Any]]) -> float:
    """Of the slots, while these requests came in."""
    first, last = min(each["started"] for each in requests), max(each["started"] for each in requests)
    inside = sum(min(each["ended"], last) - each["started"] for each in requests)
    return inside / (last - first) / SLOTS if last > first else 0.0
