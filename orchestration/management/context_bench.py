"""What ``bench_contexts`` measures: loads of a model for a client that asks for another context every time."""

import http.client
import json
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

from orchestration.management.trial import Trial
from orchestration.ollama.simulator import Herd, NodeSpec, run_in_thread
from orchestration.policy.context import bucket

MODEL = "llama3.2:latest"
LEAST_CONTEXT, PER_TOKEN = 8192, 1.25
"""What Aider asks for: this much, and so much more for each token of the prompt."""
CHARACTERS_PER_TOKEN = 4
TOKENS_PER_TURN = 400
ANSWER_TOKENS = 16
WAIT_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Turn:
    prompt: str
    num_ctx: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """``loads``: by all servers together."""

    loads: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Comparison:
    turns: Sequence[Turn]
    through_drover: Outcome
    directly: Outcome

    @property
    def buckets(self) -> int:
        return len({bucket(turn.num_ctx, default=settings.DROVER_DEFAULT_NUM_CTX) for turn in self.turns})

    @property
    def ratio(self) -> float:
        return self.directly.loads / max(1, self.through_drover.loads)


def conversation(turns: int) -> list[Turn]:
    """Each prompt has all that was said before, so it is longer than the last, and its context larger."""
    line = "And then? ".ljust(TOKENS_PER_TURN * CHARACTERS_PER_TOKEN, ".")
    return [
        Turn(prompt=line * number, num_ctx=int(LEAST_CONTEXT + PER_TOKEN * TOKENS_PER_TURN * number))
        for number in range(1, turns + 1)
    ]


def measure(turns: int) -> Comparison:
    """The same conversation through Drover and straight to a server, each with servers of its own."""
    talk = conversation(turns)
    with servers("gpu-a", "gpu-b") as herd, Trial(env={"OLLAMA_HOSTS": ",".join(herd.urls)}) as trial:
        key = trial.create_key()
        through_drover = _timed(herd, talk, lambda turn: ask_drover(trial, key, turn))
    with servers("gpu-c") as herd:
        directly = _timed(herd, talk, lambda turn: ask_directly(herd.urls[0], turn))
    return Comparison(talk, through_drover, directly)


def servers(*names: str) -> Herd:
    return run_in_thread([NodeSpec(name=name, slots=2, speed=4, vram_gb=80, models=(MODEL,)) for name in names])


def _timed(herd: Herd, talk: Sequence[Turn], ask: Callable[[Turn], None]) -> Outcome:
    began = time.perf_counter()
    for turn in talk:
        ask(turn)
    seconds = time.perf_counter() - began
    return Outcome(loads_of(herd), seconds)


def loads_of(herd: Herd) -> int:
    return sum(node.state()["counts"]["loads_total"] for node in herd.nodes)


def ask_drover(trial: Trial, key: str, turn: Turn) -> None:
    """Returns when the answer is complete."""
    options = {"num_ctx": turn.num_ctx, "num_predict": ANSWER_TOKENS}
    task = {"type": "generate", "input": turn.prompt, "model_name": MODEL, "parameters": options}
    status, run = trial.call("POST", f"tasks?wait={WAIT_SECONDS}", key, {"tasks": [task]})
    if status >= 300 or [each["status"] for each in run["tasks"]] != ["completed"]:
        raise RuntimeError(f"the task was not completed: {run}")


def ask_directly(url: str, turn: Turn) -> None:
    parts = urlsplit(url)
    options = {"num_ctx": turn.num_ctx, "num_predict": ANSWER_TOKENS}
    body = json.dumps({"model": MODEL, "prompt": turn.prompt, "options": options, "stream": False})
    timeout = WAIT_SECONDS
    with closing(http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=timeout)) as connection:
        connection.request("POST", "/api/generate", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"the server refused: {answer.read()!r}")
        answer.read()
