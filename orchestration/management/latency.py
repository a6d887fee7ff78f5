"""How much longer the first token takes through Drover than by asking the server directly, both in the same run."""

import http.client
import json
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from django.conf import settings

from orchestration.management import scratch
from orchestration.management.trial import Trial
from orchestration.ollama.simulator import NodeSpec, run_in_thread

MODEL = "llama3.2:latest"
PROMPT = "Say hello to the team."
OPTIONS = {"num_predict": 8}
WARM_UP = 3


@dataclass(slots=True)
class Latencies:
    """Seconds to the first token, pair by pair."""

    direct: list[float] = field(default_factory=list)
    through_drover: list[float] = field(default_factory=list)

    @property
    def overhead(self) -> list[float]:
        return [drover - direct for drover, direct in zip(self.through_drover, self.direct, strict=True)]

    def rows(self) -> Iterator[tuple[str, float, float]]:
        """Name, median and 95th percentile in milliseconds."""
        for name, seconds in (
            ("direct", self.direct),
            ("through Drover", self.through_drover),
            ("overhead", self.overhead),
        ):
            yield name, *milliseconds(seconds)

    @property
    def ratio(self) -> float:
        return statistics.median(self.through_drover) / statistics.median(self.direct)


def milliseconds(seconds: list[float]) -> tuple[float, float]:
    """Median and 95th percentile."""
    return statistics.median(seconds) * 1000, p95(seconds) * 1000


def p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]


def measure(count: int, database_url: str = "") -> Latencies:
    """One call after the other, directly and through Drover in turn, on one simulated server that is warm."""
    with run_in_thread([NodeSpec(name="bench", slots=4, speed=20, models=(MODEL,))]) as herd:
        url = herd.urls[0]
        with (
            scratch.beside(database_url) as database,
            Trial(env={"OLLAMA_HOSTS": url, "DATABASE_URL": database}) as trial,
        ):
            key = trial.create_key()
            for _ in range(WARM_UP):
                ask_directly(url)
                ask_drover(trial, key)
            found = Latencies()
            for _ in range(count):
                found.direct.append(ask_directly(url))
                found.through_drover.append(ask_drover(trial, key))
            return found


def ask_directly(url: str) -> float:
    """Seconds to the first piece of text. The whole answer is read, so that the server is idle afterwards."""
    parts = urlsplit(url)
    # With another context size the server would load the model anew for each of the two ways.
    options = {**OPTIONS, "num_ctx": settings.DROVER_DEFAULT_NUM_CTX}
    body = json.dumps({"model": MODEL, "prompt": PROMPT, "options": options})
    with closing(http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=120)) as connection:
        began = time.perf_counter()
        connection.request("POST", "/api/generate", body, {"Content-Type": "application/json"})
        first = None
        for line in connection.getresponse():
            if first is None and json.loads(line).get("response"):
                first = time.perf_counter() - began
    return _arrived(first)


def ask_drover(trial: Trial, key: str) -> float:
    """The same by submitting a task and following its stream."""
    task = {"type": "generate", "input": PROMPT, "model_name": MODEL, "parameters": OPTIONS}
    began = time.perf_counter()
    status, run = trial.call("POST", "tasks", key, {"tasks": [task]})
    if status != 202:
        raise RuntimeError(f"the task was not taken: {run}")
    first = None
    for line in trial.lines(f"tasks/{run['tasks'][0]['id']}/stream", key):
        if first is None and line.get("type") == "text":
            first = time.perf_counter() - began
    return _arrived(first)


def _arrived(first: float | None) -> float:
    if first is None:
        raise RuntimeError("the stream ended without any text")
    return first
