"""A simulated Ollama server, after its scheduler's source: what is resident is served, the rest waits in one line.

A request for a resident model joins its runner at once; any other waits in one line whose head blocks the rest, also
while it loads. The model that goes is not the least recently used but the idle one that comes first by keep-alive and
name; with none idle the first of all is marked, and the line waits for it.
"""

import heapq
import math
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from orchestration.management.lab.work import CROWD_SLOWDOWN, NEIGHBOUR_SLOWDOWN, LabTask, Models, NodeNumbers

KEEP_ALIVE_SECONDS = 300.0
CONNECT_SECONDS = 3.0
"""Until a connection to a dead node fails."""
NOTICE_SECONDS = 10.0
"""Until a dead node is noticed."""
LONGEST_LINE = 512
"""OLLAMA_MAX_QUEUE: requests beyond it are refused."""
BACK_SECONDS = 2.0
"""Until a node that is back is noticed."""
ANSWER_SECONDS = 0.05
"""Of a server that need not do anything."""
DONE = 1e-6
"""Of a token: less than this is left to do of what has ended."""


class World(Protocol):
    """What a node needs of the simulation: a clock, and somebody to tell."""

    now: float
    models: Models

    def at(self, when: float, call: Callable[..., None], *arguments: Any) -> None: ...
    def finished(self, task: LabTask, node: int) -> None: ...
    def failed(self, task: LabTask | None, node: int, model: str) -> None: ...
    def loaded(self, node: int, model: str) -> None: ...
    def health_changed(self, node: int, up: bool) -> None: ...


@dataclass(slots=True, eq=False)
class Runner:
    """A model in video memory. ``running`` is sorted by the ``progress`` in tokens at which a request is done."""

    model: str
    keep_alive: float
    ready: bool = False
    ready_at: float = 0.0
    running: list[tuple[float, int, LabTask]] = field(default_factory=list)
    queue: deque[LabTask] = field(default_factory=deque)
    progress: float = 0.0
    rate: float = 0.0
    idle_since: float | None = None
    last_expiry: float | None = None

    @property
    def used(self) -> int:
        return len(self.running) + len(self.queue)

    def rest(self, now: float) -> None:
        if self.ready and not self.used and self.idle_since is None:
            self.idle_since = now
            self.last_expiry = now + self.keep_alive

    def expiry(self, now: float) -> float:
        """As ``/api/ps`` tells it: it stands while requests run, and is counted from now as long as none has ended."""
        return now + self.keep_alive if self.last_expiry is None else self.last_expiry

    def take(self, task: LabTask, now: float) -> None:
        self.queue.append(task)
        task.got_model = now
        self.idle_since = None


@dataclass(frozen=True, slots=True)
class Request:
    """Without a task it is an empty prompt, which only loads the model."""

    task: LabTask | None
    model: str
    keep_alive: float


class LabNode:
    def __init__(self, world: World, number: int, numbers: NodeNumbers) -> None:
        self.world, self.number, self.numbers = world, number, numbers
        self.runners: dict[str, Runner] = {}
        self.line: deque[Request] = deque()
        self.loading: str | None = None
        self.down = False
        self.loads = 0
        self._in_memory: OrderedDict[str, None] = OrderedDict()
        self._advanced_at = 0.0
        self._plan = 0
        """Of the next completion: an event of an older plan is out of date."""
        self._life = 0

    def submit(self, task: LabTask | None, model: str, keep_alive: float = KEEP_ALIVE_SECONDS) -> None:
        if task:
            task.sent = self.world.now
        if self.down:
            return self._fail_in(CONNECT_SECONDS, task, model)
        self.expire()
        runner = self.runners.get(model)
        if runner and runner.ready:
            if task:
                runner.take(task, self.world.now)
            else:
                self.world.at(self.world.now + ANSWER_SECONDS, self.world.loaded, self.number, model)
        elif len(self.line) >= LONGEST_LINE:
            return self._fail_in(ANSWER_SECONDS, task, model)
        else:
            self.line.append(Request(task, model, keep_alive))
        self._go_on()

    def unload(self, model: str) -> None:
        """Now, or as soon as the model is idle."""
        if model in self.runners:
            self.runners[model].keep_alive = 0
            self._go_on()

    def cancel(self, task: LabTask) -> bool:
        """The client closes the connection. False when there was nothing to cancel any more."""
        self._advance()
        runner = self.runners.get(task.model)
        if not runner:
            return False
        before = runner.used
        runner.running = [item for item in runner.running if item[2] is not task]
        heapq.heapify(runner.running)
        if task in runner.queue:
            runner.queue.remove(task)
        runner.rest(self.world.now)
        self._go_on()
        return runner.used < before

    def resident(self) -> dict[str, float]:
        """What ``/api/ps`` lists, and until when it stays: no model that is still being loaded."""
        self.expire()
        return {model: runner.expiry(self.world.now) for model, runner in self.runners.items() if runner.ready}

    def expire(self) -> None:
        now = self.world.now
        for model, runner in list(self.runners.items()):
            if runner.ready and runner.idle_since is not None and now - runner.idle_since >= runner.keep_alive:
                del self.runners[model]

    def fail(self) -> None:
        self._advance()
        self.down = True
        self._life += 1
        self._plan += 1
        lost: list[tuple[LabTask | None, str]] = []
        for runner in self.runners.values():
            lost += [(item[2], runner.model) for item in runner.running]
            lost += [(task, runner.model) for task in runner.queue]
        lost += [(request.task, request.model) for request in self.line]
        self.runners, self.loading = {}, None
        self.line.clear()
        for task, model in lost:
            self._fail_in(NOTICE_SECONDS, task, model)
        self.world.at(self.world.now + NOTICE_SECONDS, self.world.health_changed, self.number, False)

    def recover(self) -> None:
        self.down = False
        self._advanced_at = self.world.now
        self._in_memory.clear()
        self.world.at(self.world.now + BACK_SECONDS, self.world.health_changed, self.number, True)

    def _fail_in(self, seconds: float, task: LabTask | None, model: str) -> None:
        self.world.at(self.world.now + seconds, self.world.failed, task, self.number, model)

    def _advance(self) -> None:
        now = self.world.now
        for runner in self.runners.values():
            if runner.running:
                runner.progress += runner.rate * (now - self._advanced_at)
        self._advanced_at = now

    def _go_on(self) -> None:
        """Everything that can happen now happens; then the next completion is due."""
        self._advance()
        self.expire()
        while self.line and not self.loading and self._serve_head_of_line():
            pass
        for runner in self.runners.values():
            self._start_requests(runner)
        self._plan_next_completion()

    def _serve_head_of_line(self) -> bool:
        """False when the head has to wait."""
        request = self.line[0]
        runner = self.runners.get(request.model)
        if runner is None:
            if not self._has_room(request.model):
                return self._evict()
            runner = self._load(request)
        self.line.popleft()
        if request.task:
            runner.take(request.task, self.world.now)
        elif runner.ready:
            self.world.at(self.world.now, self.world.loaded, self.number, request.model)
        return True

    def _has_room(self, model: str) -> bool:
        models = self.world.models
        return sum(models[name].gb for name in self.runners) + models[model].gb <= self.numbers.vram_gb

    def _evict(self) -> bool:
        victim = min(self.runners.values(), key=lambda runner: (runner.idle_since is None, *_rank(runner)))
        victim.keep_alive = 0
        if victim.idle_since is None or not victim.ready:
            return False
        del self.runners[victim.model]
        return True

    def _load(self, request: Request) -> Runner:
        runner = self.runners[request.model] = Runner(request.model, request.keep_alive)
        self.loading = request.model
        self.loads += 1
        self.world.at(self.world.now + self._load_seconds(request.model), self._end_load, runner, self._life)
        return runner

    def _load_seconds(self, model: str) -> float:
        """Files stay in main memory, the least recently loaded go first."""
        warm = model in self._in_memory
        self._in_memory[model] = None
        self._in_memory.move_to_end(model)
        models = self.world.models
        while sum(models[name].gb for name in self._in_memory) > self.numbers.memory_gb and len(self._in_memory) > 1:
            self._in_memory.popitem(last=False)
        return self.numbers.load_seconds(models[model].gb, warm=warm)

    def _end_load(self, runner: Runner, life: int) -> None:
        if life != self._life:
            return
        self._advance()
        runner.ready, runner.ready_at, self.loading = True, self.world.now, None
        runner.rest(self.world.now)
        self._go_on()
        self.world.loaded(self.number, runner.model)

    def _start_requests(self, runner: Runner) -> None:
        parallel = self.world.models[runner.model].parallel
        while runner.ready and runner.queue and len(runner.running) < parallel:
            task = runner.queue.popleft()
            task.got_model = max(task.got_model, runner.ready_at)
            task.started = self.world.now
            heapq.heappush(runner.running, (runner.progress + task.work, task.id, task))

    def _plan_next_completion(self) -> None:
        active = [runner for runner in self.runners.values() if runner.running]
        soonest = math.inf
        for runner in active:
            alone = self.numbers.speed * self.world.models[runner.model].tokens_per_second
            crowded = alone / (1 + CROWD_SLOWDOWN * (len(runner.running) - 1))
            runner.rate = crowded / (1 + NEIGHBOUR_SLOWDOWN * (len(active) - 1))
            left = (runner.running[0][0] - runner.progress) / runner.rate
            soonest = min(soonest, self.world.now + max(0.0, left))
        self._plan += 1
        if soonest < math.inf:
            self.world.at(soonest, self._complete, self._plan)

    def _complete(self, plan: int) -> None:
        if plan != self._plan:
            return
        self._advance()
        done = []
        for runner in self.runners.values():
            while runner.running and runner.running[0][0] <= runner.progress + DONE:
                done.append(heapq.heappop(runner.running)[2])
            runner.rest(self.world.now)
        self._go_on()
        for task in done:
            self.world.finished(task, self.number)


def _rank(runner: Runner) -> tuple[float, int]:
    return runner.keep_alive, _digest(runner.model)


def _digest(model: str) -> int:
    """Stands for the digest of the file that a server sorts by: arbitrary, but always the same."""
    number: int = sum(ord(letter) * 131**place for place, letter in enumerate(model))
    return number * 2654435761 % 2**32
