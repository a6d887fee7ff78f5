"""How others do it: the schedulers that the product is compared with."""

import heapq
import itertools
from collections.abc import Callable

from orchestration.management.lab.simulation import Scheduler
from orchestration.management.lab.work import LabTask

NOBODY_UP_SECONDS = 5.0
LONGEST_BACK_OFF_SECONDS = 30
FOREVER = 1e9


class Push(Scheduler):
    """Pushes to a node at arrival, this one to the first that is up: tasks wait in the servers' own lines."""

    def arrived(self, task: LabTask) -> None:
        self._push(task)

    def _push(self, task: LabTask) -> None:
        model = task.models[0]
        able = [node for node, up in enumerate(self.sim.up) if up and self.sim.fits(node, model)]
        if able:
            self.sim.send(task, self.choose(model, able), model)
        else:
            self.sim.at(self.sim.now + NOBODY_UP_SECONDS, self._push, task)

    def choose(self, model: str, able: list[int]) -> int:
        return able[0]

    def failed(self, task: LabTask, node: int) -> None:
        delay = min(LONGEST_BACK_OFF_SECONDS, 2**task.tries) * (1 + self.rng.random())
        self.sim.at(self.sim.now + delay, self.arrived, task)

    def load(self, node: int) -> int:
        return self.sim.in_flight[node].total()


class RoundRobin(Push):
    def start(self) -> None:
        self._turn = itertools.count()

    def choose(self, model: str, able: list[int]) -> int:
        return able[next(self._turn) % len(able)]


class LeastConnections(Push):
    def choose(self, model: str, able: list[int]) -> int:
        return min(able, key=self.load)


class LoadedFirst(Push):
    """Least connections among the nodes that hold the model, as some model routers do it."""

    def choose(self, model: str, able: list[int]) -> int:
        return min([node for node in able if model in self.sim.resident[node]] or able, key=self.load)


class ClassQueues(LeastConnections):
    """The usual job queue: one queue per class, a worker for each slot, least connections."""

    def start(self) -> None:
        self._queue: list[tuple[int, float, int, LabTask]] = []
        self._busy = 0
        self._workers = max(model.parallel for model in self.sim.models.values()) * len(self.sim.nodes)

    def arrived(self, task: LabTask) -> None:
        heapq.heappush(self._queue, (task.priority, task.ready, task.id, task))
        self._work()

    def ended(self, task: LabTask) -> None:
        self._busy -= 1
        self._work()

    def failed(self, task: LabTask, node: int) -> None:
        self._busy -= 1
        self.arrived(task)

    def _work(self) -> None:
        while self._queue and self._busy < self._workers:
            self._busy += 1
            self._push(heapq.heappop(self._queue)[3])


class LlamaSwapLike(Scheduler):
    """Least connections; on each node what is resident is served first, the rest waits until something is idle."""

    MOST_PER_MODEL = 10

    def start(self) -> None:
        self._queues: list[list[LabTask]] = [[] for _ in self.sim.nodes]
        self._used_at: list[dict[str, float]] = [{} for _ in self.sim.nodes]
        """Resident models of each node with their last use."""

    def arrived(self, task: LabTask) -> None:
        able = [node for node, up in enumerate(self.sim.up) if up and self.sim.fits(node, task.models[0])]
        if not able:
            return self.sim.at(self.sim.now + NOBODY_UP_SECONDS, self.arrived, task)
        node = min(able, key=lambda node: len(self._queues[node]) + self.sim.in_flight[node].total())
        self._queues[node].append(task)
        self._serve(node)

    def ended(self, task: LabTask) -> None:
        self._serve(task.node)

    def loaded(self, node: int, model: str) -> None:
        self._serve(node)

    def polled(self) -> None:
        for node in range(len(self._queues)):
            self._serve(node)

    def health_changed(self, node: int) -> None:
        self._used_at[node] = {}
        waiting, self._queues[node] = self._queues[node], []
        for task in waiting:
            self.arrived(task)

    def _serve(self, node: int) -> None:
        if self.sim.up[node]:
            self._queues[node] = [task for task in self._queues[node] if not self._sent(node, task)]

    def _sent(self, node: int, task: LabTask) -> bool:
        model = task.models[0]
        if not self._made_room(node, model) or self.sim.in_flight[node][model] >= self.MOST_PER_MODEL:
            return False
        self._used_at[node][model] = self.sim.now
        self.sim.send(task, node, model, FOREVER)
        return True

    def _made_room(self, node: int, model: str) -> bool:
        """Idle models go, the least recently used first, and also when that does not suffice."""
        used_at, models = self._used_at[node], self.sim.models
        if model in used_at:
            return True
        held = sum(models[name].gb for name in used_at)
        lacking = models[model].gb - self.sim.nodes[node].numbers.vram_gb + held
        idle = sorted((name for name in used_at if not self.sim.in_flight[node][name]), key=used_at.__getitem__)
        for name in idle:
            if lacking > 0:
                lacking -= models[name].gb
                del used_at[name]
                self.sim.nodes[node].unload(name)
        return lacking <= 0


PEERS: dict[str, Callable[[], Scheduler]] = {
    "round-robin": RoundRobin,
    "least-connections": LeastConnections,
    "loaded-first": LoadedFirst,
    "llama-swap-like": LlamaSwapLike,
    "rq-workers": ClassQueues,
}
