"""What ``bench_worker`` measures with: a folder, a Redis, a simulated server and workers that go away with it.

It runs in a process of its own whose settings point at that folder; nothing of the installation is touched.
"""

import asyncio
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import redis
import rq
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone

from orchestration import queue
from orchestration.management import bundled_redis
from orchestration.models import Attempt, Node, WorkerProcess
from orchestration.ollama.client import OllamaClient
from orchestration.ollama.simulator import ModelSpec, NodeSpec, decoder, run_in_thread
from orchestration.permissions import SYSTEM
from orchestration.policy.decision import Grant
from orchestration.services import agents, attempts, grants, nodes, tasks
from orchestration.services.work import AttemptWork

MB = 1_000_000
CHUNKS = 20
WIDE, BRISK, NARROW, HEAVY = "wide:latest", "brisk:latest", "narrow:latest", "heavy:latest"
MODELS = (
    ModelSpec(WIDE, size=10 * MB, family="llama", parameter_size="1B", tokens_per_second=8.0),
    ModelSpec(BRISK, size=10 * MB, family="llama", parameter_size="1B", tokens_per_second=60.0),
    ModelSpec(NARROW, size=10 * MB, family="llama", parameter_size="1B", tokens_per_second=8.0),
    ModelSpec(HEAVY, size=6000 * MB, family="llama", parameter_size="8B", tokens_per_second=8.0),
)
NUM_CTX = 4096
PATIENCE_SECONDS = 20.0


class NotInTime(Exception):
    """The bench waits for nothing for ever."""


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise NotInTime(f"{what}: not within {PATIENCE_SECONDS:g} s")
        time.sleep(0.02)
    return found


class World:
    """Everything that has to run. ``gpu-wide`` has a slot for everybody, ``gpu-narrow`` has one."""

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        with ExitStack() as stack:
            self._start_redis(stack)
            simulator = start_part("simulator", stack, stdout=subprocess.PIPE)
            call_command("migrate", verbosity=0)
            urls = _urls_of(simulator, stack)
            self.http = stack.enter_context(httpx.Client())
            self.nodes = {name: _add_node(name, url) for name, url in urls.items()}
            self.agent = agents.ensure_default()
            self._stack = stack.pop_all()
        self._slots = itertools.count()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _start_redis(self, stack: ExitStack) -> None:
        command = bundled_redis.command(Path(settings.REDIS_URL.removeprefix("unix://")))
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        stack.callback(end_part, process)
        wait_for(lambda: bundled_redis.answers(settings.REDIS_URL), "Redis")

    def start(self, part: str) -> "subprocess.Popen[bytes]":
        return start_part(part, self._stack)

    def grant(
        self, count: int, model: str, *, node: str = "gpu-wide", words: int = 4, tokens: int = CHUNKS
    ) -> list[Any]:
        """Tasks submitted and granted as the scheduler would, not yet queued."""
        spec = tasks.TaskSpec(
            type="generate", input="word " * words, model_name=model, parameters={"num_predict": tokens}
        )
        run = tasks.submit(actor=SYSTEM, agent=self.agent, specs=[spec] * count)
        wanted = [
            Grant(
                task_id=task_id,
                node_id=self.nodes[node].pk,
                model=model,
                num_ctx=NUM_CTX,
                slot=next(self._slots),
                reason="for the bench",
            )
            for task_id in run.tasks.values_list("pk", flat=True)
        ]
        return grants.assign(grants=wanted, now=timezone.now())

    def state(self, node: str = "gpu-wide") -> dict[str, Any]:
        state: dict[str, Any] = self.http.get(f"{self.nodes[node].base_url}/_simulator/state").json()
        return state

    def wait_for_phase(self, phase: str, count: int, node: str = "gpu-wide") -> None:
        wait_for(lambda: self.state(node)["phases"][phase] == count, f"{count} requests in {phase}")


def _urls_of(simulator: "subprocess.Popen[bytes]", stack: ExitStack) -> dict[str, str]:
    assert simulator.stdout is not None
    stack.callback(simulator.stdout.close)
    urls: dict[str, str] = json.loads(simulator.stdout.readline())
    return urls


def wait_for_end(jobs: Sequence[queue.AttemptJob]) -> None:
    ids = [job.attempt_id for job in jobs]
    wait_for(lambda: not Attempt.objects.filter(pk__in=ids, ended_at=None).exists(), f"the end of {len(ids)} attempts")


def _add_node(name: str, url: str) -> Node:
    node = nodes.create(actor=SYSTEM, name=name, base_url=url)
    poll = asyncio.run(_look(url))
    nodes.record_poll(node_id=node.pk, poll=poll)
    return node


async def _look(url: str) -> nodes.Poll:
    async with OllamaClient(url) as client:
        return nodes.Poll(at=timezone.now(), installed=await client.tags(), loaded=await client.ps())


def start_part(part: str, stack: ExitStack, **options: Any) -> "subprocess.Popen[bytes]":
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "bench_worker", "--part", part]
    process = subprocess.Popen(command, **options)
    stack.callback(end_part, process)
    return process


def end_part(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def simulate() -> None:
    """Streams do not slow each other down: what is measured is the worker."""
    decoder.BETA = decoder.DELTA = 0.0
    common: dict[str, Any] = {"models": MODELS, "vram_gb": 10_000.0, "ram_gb": 10_000.0, "jitter": 0.0}
    specs = [NodeSpec(name="gpu-wide", slots=1000, **common), NodeSpec(name="gpu-narrow", slots=1, **common)]
    with run_in_thread(specs) as herd:
        sys.stdout.write(json.dumps({node.name: node.url for node in herd.nodes}) + "\n")
        sys.stdout.flush()
        threading.Event().wait()


def run_stock_worker(class_name: str) -> None:
    """RQ as it comes."""
    connection = redis.Redis.from_url(settings.REDIS_URL)
    worker = getattr(rq, class_name)([class_name], connection=connection, serializer="rq.serializers.JSONSerializer")
    worker.work(logging_level="ERROR")


def plain_stream(attempt_id: int, token: str) -> None:
    """The same attempt as a plain RQ project would write it: one after the other, no live text, no batches."""
    work = attempts.start(attempt_id=attempt_id, token=token, worker="stock")
    if work is not None:
        attempts.complete(attempt_id=attempt_id, token=token, result=asyncio.run(_read_stream(work)))


async def _read_stream(work: AttemptWork) -> attempts.AttemptResult:
    pieces: list[str] = []
    async with (
        OllamaClient(work.base_url) as client,
        aclosing(client.generate(model=work.model, prompt=work.prompt, options=work.options)) as chunks,
    ):
        async for chunk in chunks:
            pieces.append(chunk.text)
    assert chunk.metrics is not None
    return attempts.AttemptResult(output="".join(pieces), metrics=chunk.metrics)


@dataclass(frozen=True, slots=True)
class Usage:
    """Of a process and its children: CPU so far, and memory with shared pages counted by share."""

    cpu_ms: float
    pss_kb: int


def usage(pid: int) -> Usage:
    """From /proc, so on Linux only."""
    children = [pid, *_children(pid)]
    return Usage(sum(map(_cpu_ms, children)), sum(map(_pss_kb, children)))


def _children(pid: int) -> list[int]:
    return [int(child) for child in _read(f"/proc/{pid}/task/{pid}/children").split()]


def _cpu_ms(pid: int) -> float:
    """Of a child that has already ended too, once its parent has seen it."""
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) * 1000 / os.sysconf("SC_CLK_TCK")


def _pss_kb(pid: int) -> int:
    lines = _read(f"/proc/{pid}/smaps_rollup").splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def worker_is_up() -> bool:
    return WorkerProcess.objects.exists()
