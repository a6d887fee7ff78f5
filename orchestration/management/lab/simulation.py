"""The simulated world: a clock with events, nodes, users' tasks, and the scheduler that is being tried."""

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from orchestration.management.lab.node import KEEP_ALIVE_SECONDS, LabNode
from orchestration.management.lab.work import LabTask, Models, NodeNumbers

POLL_SECONDS = 2.0
"""Between two looks at ``/api/ps``."""
LONGEST_RUN_SECONDS = 40_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    at: float
    node: int
    recovers: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    models: Models
    nodes: Sequence[NodeNumbers]
    tasks: Callable[[random.Random], list[LabTask]]
    faults: Sequence[Fault] = ()


class Scheduler:
    """What is being tried; this one starts nothing.

    It sees its own calls, ``/api/ps`` as last polled, and what ended calls have told.
    """

    sim: "Simulation"
    rng: random.Random

    def start(self) -> None:
        """The simulation is there, nothing has happened yet."""

    def arrived(self, task: LabTask) -> None:
        """A task is ready to start, or ready again."""

    def ended(self, task: LabTask) -> None:
        """A call has brought its result."""

    def failed(self, task: LabTask, node: int) -> None:
        self.arrived(task)

    def loaded(self, node: int, model: str) -> None:
        """A load of ours, or one on behalf of a call, has ended."""

    def load_failed(self, node: int, model: str) -> None:
        """The node died or refused."""

    def polled(self) -> None:
        """``/api/ps`` of all nodes has been read."""

    def health_changed(self, node: int) -> None:
        """A node was noticed to be gone or back."""


class Simulation:
    def __init__(self, workload: Workload, scheduler: Scheduler, seed: int = 1) -> None:
        self.now = 0.0
        self.models = workload.models
        self.nodes = [LabNode(self, number, numbers) for number, numbers in enumerate(workload.nodes)]
        self.up = [True] * len(self.nodes)
        self.answers = [True] * len(self.nodes)
        """Whether the last poll was answered; ``up`` is what has been made of that."""
        self.resident: list[dict[str, float]] = [{} for _ in self.nodes]
        """By node, as last polled: models and when their keep-alive ends."""
        self.in_flight: list[Counter[str]] = [Counter() for _ in self.nodes]
        """The scheduler's own calls, by node and model."""
        self.tasks = workload.tasks(random.Random(seed))
        self.left = sum(not task.outsider for task in self.tasks)
        self.failures = self.aborts = 0
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._sequence = itertools.count()
        self.scheduler = scheduler
        scheduler.sim, scheduler.rng = self, random.Random(seed * 7919 + 13)
        scheduler.start()
        self._plan(workload)

    def _plan(self, workload: Workload) -> None:
        for task in self.tasks:
            if not task.parents_left:
                self.at(task.ready, self._arrive, task)
        for fault in workload.faults:
            node = self.nodes[fault.node]
            self.at(fault.at, node.recover if fault.recovers else node.fail)
        self.at(0.0, self._poll)

    def at(self, when: float, call: Callable[..., None], *arguments: Any) -> None:
        heapq.heappush(self._events, (when, next(self._sequence), call, arguments))

    def run(self, limit: float = LONGEST_RUN_SECONDS) -> "Simulation":
        while self.left and self._events and self.now < limit:
            self.now, _, call, arguments = heapq.heappop(self._events)
            call(*arguments)
        return self

    def send(self, task: LabTask, node: int, model: str, keep_alive: float = KEEP_ALIVE_SECONDS) -> None:
        task.node, task.model, task.started = node, model, None
        self.in_flight[node][model] += 1
        self.nodes[node].submit(task, model, keep_alive)

    def abort(self, task: LabTask) -> bool:
        if not self.nodes[task.node].cancel(task):
            return False
        self.in_flight[task.node][task.model] -= 1
        self.aborts += 1
        task.tries += 1
        return True

    def fits(self, node: int, model: str) -> bool:
        return self.models[model].gb <= self.nodes[node].numbers.vram_gb

    def finished(self, task: LabTask, node: int) -> None:
        task.ended = self.now
        if task.outsider:
            return
        self.left -= 1
        self.in_flight[node][task.model] -= 1
        for child in task.children:
            child.parents_left -= 1
            if not child.parents_left:
                self._arrive(child)
        self.scheduler.ended(task)

    def failed(self, task: LabTask | None, node: int, model: str) -> None:
        if task is None:
            self.scheduler.load_failed(node, model)
        elif not task.outsider:
            self.failures += 1
            task.tries += 1
            self.in_flight[node][model] -= 1
            self.scheduler.failed(task, node)

    def loaded(self, node: int, model: str) -> None:
        self.scheduler.loaded(node, model)

    def health_changed(self, node: int, up: bool) -> None:
        self.up[node] = up and not self.nodes[node].down
        if not up:
            self.resident[node] = {}
        self.scheduler.health_changed(node)

    def _arrive(self, task: LabTask) -> None:
        task.ready = self.now
        if task.outsider:
            self.nodes[task.node].submit(task, task.models[0])
        else:
            self.scheduler.arrived(task)

    def _poll(self) -> None:
        for node in self.nodes:
            self.answers[node.number] = self.up[node.number] and not node.down
            if self.answers[node.number]:
                self.resident[node.number] = node.resident()
        self.scheduler.polled()
        self.at(self.now + POLL_SECONDS, self._poll)
