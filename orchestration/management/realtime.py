"""The laboratory's peers on servers that really listen: the same code, but calls over sockets and a clock that runs.

What they see is what ``lab.simulation.Simulation`` shows them. ``FACTOR`` laboratory seconds pass in one second.
"""

import asyncio
import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from datetime import timedelta
from typing import Any

from django.conf import settings

from orchestration.errors import DroverError
from orchestration.management.lab.simulation import Scheduler, Workload
from orchestration.management.lab.work import LabModel, LabTask, NodeNumbers
from orchestration.ollama.client import OllamaClient
from orchestration.ollama.simulator import ModelSpec, NodeSpec, run_in_thread

FACTOR = 10.0
GB = 1_000_000_000
TOKENS_PER_CHUNK = 20
"""Tokens come in handfuls: what is measured is who waits, not how fast text is copied."""
POLL_SECONDS = 2.0
"""In laboratory seconds."""
HELD_FOR = timedelta(hours=1)
CONTEXT = 4096
SLOTS = 4


def simulate(workload: Workload) -> None:
    """Servers like the laboratory's nodes, faster by ``FACTOR``, until nobody reads any more. Their addresses first."""
    with run_in_thread(specs_of(workload)) as herd:
        sys.stdout.write(json.dumps(herd.urls) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


def specs_of(workload: Workload) -> list[NodeSpec]:
    models = tuple(_spec(model) for model in workload.models.values())
    return [
        NodeSpec(
            name=f"gpu-{number}",
            vram_gb=node.vram_gb,
            slots=SLOTS,
            speed=FACTOR * node.speed,
            models=models,
            disk_gb_per_second=node.disk_gb_per_second,
            ram_gb=node.memory_gb,
            jitter=0.0,
            chunk_tokens=TOKENS_PER_CHUNK,
        )
        for number, node in enumerate(workload.nodes)
    ]


def _spec(model: LabModel) -> ModelSpec:
    """Its file and its cache together take what the laboratory's model takes."""
    size = int(0.75 * model.gb * GB)
    return ModelSpec(
        full(model.name), size=size, family="llama", parameter_size="8B", tokens_per_second=model.tokens_per_second
    )


def full(name: str) -> str:
    return f"{name.lower()}:latest"


@contextmanager
def servers(command: Sequence[str]) -> Iterator[list[str]]:
    """The addresses of the servers that the command starts."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.stdin.close()


class RealNode:
    def __init__(self, fleet: "RealFleet", number: int, numbers: NodeNumbers, url: str) -> None:
        self.numbers = numbers
        self.client = OllamaClient(url)
        self._fleet = fleet
        self._number = number

    def unload(self, model: str) -> None:
        self._fleet.begin(self.client.unload(full(model)))


class RealFleet:
    """Stands where the peers expect the simulation."""

    def __init__(self, workload: Workload, urls: Sequence[str], scheduler: Scheduler) -> None:
        self.models: Mapping[str, LabModel] = workload.models
        self.nodes = [
            RealNode(self, number, numbers, url)
            for number, (numbers, url) in enumerate(zip(workload.nodes, urls, strict=True))
        ]
        self.up = [True] * len(self.nodes)
        self.in_flight: list[Counter[str]] = [Counter() for _ in self.nodes]
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._scheduler = scheduler
        self._calls: set[asyncio.Task[Any]] = set()
        scheduler.sim = self  # type: ignore[assignment]
        scheduler.rng = random.Random(1)
        scheduler.start()

    @property
    def now(self) -> float:
        return (self._loop.time() - self._began) * FACTOR

    def at(self, when: float, call: Callable[..., Any], *arguments: Any) -> None:
        self._loop.call_at(self._began + when / FACTOR, call, *arguments)

    def fits(self, node: int, model: str) -> bool:
        return self.models[model].gb <= self.nodes[node].numbers.vram_gb

    def begin(self, work: Any) -> None:
        call = asyncio.ensure_future(work)
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)

    def send(self, task: LabTask, node: int, model: str, keep_alive: float | None = None) -> None:
        """Without ``keep_alive`` the server's own default holds, as for most clients."""
        task.node, task.model = node, model
        self.in_flight[node][model] += 1
        self.begin(self._call(task, node, model, HELD_FOR if keep_alive else None))

    async def _call(self, task: LabTask, node: int, model: str, keep_alive: timedelta | None) -> None:
        options = {"num_predict": max(1, round(task.output_tokens)), "num_ctx": CONTEXT}
        call = self.nodes[node].client.generate(
            model=full(model), prompt=f"task {task.id}", options=options, keep_alive=keep_alive
        )
        try:
            async with aclosing(call) as chunks:
                async for _ in chunks:
                    if task.started is None:
                        task.started = self.now
        except DroverError:
            self.in_flight[node][model] -= 1
            task.started = None
            task.tries += 1
            self._scheduler.failed(task, node)
            return
        task.ended = self.now
        self.in_flight[node][model] -= 1
        self._scheduler.ended(task)

    async def aclose(self) -> None:
        for call in self._calls:
            call.cancel()
        for node in self.nodes:
            await node.client.aclose()


def run_peer(scheduler: Scheduler, workload: Workload, tasks: Sequence[LabTask], urls: Sequence[str]) -> None:
    """Every task to its end; its times are kept in it, in laboratory seconds."""
    asyncio.run(_run_peer(scheduler, workload, tasks, urls))


async def _run_peer(scheduler: Scheduler, workload: Workload, tasks: Sequence[LabTask], urls: Sequence[str]) -> None:
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
    fleet = RealFleet(workload, urls, scheduler)
    for task in tasks:
        fleet.at(task.born, scheduler.arrived, task)
    try:
        while any(task.ended is None for task in tasks):
            await asyncio.sleep(POLL_SECONDS / FACTOR)
            scheduler.polled()
            if faults:
                raise faults[0].get("exception") or RuntimeError(faults[0]["message"])
    finally:
        await fleet.aclose()


def command(part: str, *options: str) -> list[str]:
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), "bench_fleet", "--part", part, *options]
