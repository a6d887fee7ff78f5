"""The load queue of one server: a single loop that loads, reloads and evicts, strictly one request at a time."""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from .decoder import Decoder
from .faults import FaultBox
from .journal import Journal, Record
from .options import RunnerOptions
from .refusal import Refusal
from .registry import InstalledModel
from .runner import Runner, memory_need
from .specs import GB, NodeSpec

BUSY = "server busy, please try again.  maximum pending requests exceeded"
CRASHED = (
    "model runner has unexpectedly stopped, this may be due to resource limitations or an internal error,"
    " check ollama server logs for details"
)
# Seconds at speed 1: freeing video memory, starting a process, and handing out a warm runner.
_RECOVERY = 0.7
_START = 1.0
_HANDING_OUT = 0.02
_WARM_FILE_GAIN = 4.0
_ROOM = 0.8


@dataclass(frozen=True, slots=True)
class Demand:
    """What a request needs loaded, and the keep-alive it asked for, if it did."""

    model: InstalledModel
    options: RunnerOptions
    keep_alive: float | None = None


@dataclass(slots=True, eq=False)
class _Entry:
    demand: Demand
    record: Record
    granted: asyncio.Future[Runner]
    abandoned: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_gone(self) -> bool:
        """A cancelled waiter's future is cancelled one turn of the loop before its code can say so."""
        return self.abandoned.is_set() or self.granted.cancelled()


class Scheduler:
    """Hands out runners. Requests for a matching loaded model pass by the queue; all others go through the loop."""

    def __init__(self, node: NodeSpec, decoder: Decoder, journal: Journal, faults: FaultBox) -> None:
        self._node = node
        self._decoder = decoder
        self._journal = journal
        self._faults = faults
        self.loaded: dict[str, Runner] = {}
        self.loading: Demand | None = None
        self.loading_since = 0.0
        self._queue: deque[_Entry] = deque()
        self._filled = asyncio.Event()
        self._unloaded = asyncio.Event()
        self._page_cache: OrderedDict[str, int] = OrderedDict()
        self._loop: asyncio.Task[None] | None = None

    @property
    def queue_length(self) -> int:
        return len(self._queue)

    def start(self) -> None:
        self._loop = asyncio.create_task(self._run(), name=f"load queue of {self._node.name}")

    async def stop(self) -> None:
        """As if the process had ended: nothing stays loaded, nobody waits."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)
        self._queue.clear()
        self.loading = None
        self._page_cache.clear()
        for runner in list(self.loaded.values()):
            self._unload(runner)

    @asynccontextmanager
    async def lease(self, demand: Demand, record: Record) -> AsyncIterator[Runner]:
        runner = await self._obtain(demand, record)
        try:
            record.phase = "slot"
            await asyncio.sleep(_HANDING_OUT / self._node.speed)
            yield runner
        finally:
            self._release(runner)

    def unload_when_idle(self, weights: str) -> None:
        if runner := self.loaded.get(weights):
            # Only this way of ending a model is announced by ``ps``; an eviction leaves the time as it was.
            runner.expires_ns = time.time_ns()
            self._mark(runner)

    def crash(self, runner: Runner) -> None:
        runner.alive = False
        self._unload(runner)
        self._decoder.fail_all(runner, Refusal(500, CRASHED, in_stream=True))

    async def _obtain(self, demand: Demand, record: Record) -> Runner:
        runner = self.loaded.get(demand.model.weights.digest)
        if runner is not None and runner.options.serves(demand.options, self._node):
            return self._grant(runner, demand)
        if len(self._queue) >= self._node.max_queue:
            raise Refusal(503, BUSY)
        record.phase = "queued"
        entry = _Entry(demand, record, asyncio.get_running_loop().create_future())
        self._queue.append(entry)
        self._filled.set()
        try:
            return await entry.granted
        except asyncio.CancelledError:
            entry.abandoned.set()
            if entry.granted.done() and not entry.granted.cancelled() and entry.granted.exception() is None:
                self._release(entry.granted.result())
            raise

    def _grant(self, runner: Runner, demand: Demand) -> Runner:
        runner.references += 1
        runner.stop_timer()
        if demand.keep_alive is not None:
            runner.keep_alive = demand.keep_alive
        return runner

    def _release(self, runner: Runner) -> None:
        runner.references -= 1
        if runner.references > 0 or not runner.alive:
            return
        if runner.keep_alive <= 0:
            self._unload(runner)
        else:
            runner.start_timer(self._unload)

    async def _run(self) -> None:
        while True:
            await self._filled.wait()
            while self._queue:
                entry = self._queue.popleft()
                try:
                    await self._serve(entry)
                except Refusal as refusal:
                    if not entry.granted.done():
                        entry.granted.set_exception(refusal)
            self._filled.clear()

    async def _serve(self, entry: _Entry) -> None:
        weights = entry.demand.model.weights.digest
        while not entry.is_gone:
            runner = self.loaded.get(weights)
            if runner is not None and runner.options.serves(entry.demand.options, self._node):
                entry.granted.set_result(self._grant(runner, entry.demand))
                return
            if runner is None and self._has_room(entry.demand):
                await self._load(entry)
                return
            await self._displace(runner or self._victim())

    def _free_vram(self) -> int:
        return self._node.vram - sum(runner.size_vram for runner in self.loaded.values())

    def _has_room(self, demand: Demand) -> bool:
        if not self.loaded:
            return True
        if len(self.loaded) >= self._node.max_loaded_models:
            return False
        need = memory_need(demand.model, demand.options, self._node)
        return self._node.vram == 0 or need <= _ROOM * self._free_vram()

    def _victim(self) -> Runner:
        return min(self.loaded.values(), key=lambda runner: (runner.references > 0, runner.keep_alive, runner.weights))

    async def _displace(self, runner: Runner) -> None:
        self._unloaded.clear()
        self._mark(runner)
        await self._unloaded.wait()
        await asyncio.sleep(_RECOVERY / self._node.speed)

    def _mark(self, runner: Runner) -> None:
        runner.keep_alive = 0.0
        runner.stop_timer()
        if runner.references == 0:
            self._unload(runner)

    def _unload(self, runner: Runner) -> None:
        runner.alive = False
        runner.stop_timer()
        if self.loaded.get(runner.weights) is runner:
            del self.loaded[runner.weights]
            self._journal.unloads += 1
            self._decoder.forget(runner)
        self._unloaded.set()

    async def _load(self, entry: _Entry) -> None:
        demand = entry.demand
        self._refuse_oversized(demand)
        self.loading, self.loading_since = demand, time.monotonic()
        entry.record.phase = "load"
        self._journal.loads[demand.model.name.display] += 1
        try:
            async with asyncio.timeout(self._load_seconds(demand.model)):
                await entry.abandoned.wait()
            self._journal.aborted_loads += 1
        except TimeoutError:
            if not entry.is_gone:
                self._finish_load(entry)
        finally:
            self.loading = None

    def _finish_load(self, entry: _Entry) -> None:
        demand = entry.demand
        if fault := self._faults.take("load_error", demand.model.name.display):
            raise Refusal(500, fault.message or self._load_failure())
        keep_alive = self._node.keep_alive if demand.keep_alive is None else demand.keep_alive
        runner = Runner(demand.model, demand.options, self._node, keep_alive, self._free_vram())
        self.loaded[runner.weights] = runner
        entry.granted.set_result(self._grant(runner, demand))

    def _load_failure(self) -> str:
        if self._node.has_llama_server:
            return "llama-server process has terminated: exit status 1: error loading model: tensor data is corrupt"
        return "llama runner process has terminated: exit status 2"

    def _refuse_oversized(self, demand: Demand) -> None:
        need = memory_need(demand.model, demand.options, self._node)
        have = self._node.vram + int(self._node.ram_gb * GB)
        if need <= have:
            return
        if self._node.has_llama_server:
            raise Refusal(500, f"llama-server reported out-of-memory during startup: failed to allocate {need} bytes")
        raise Refusal(
            500,
            f"model requires more system memory ({need / GB:.1f} GiB) than is available ({have / GB:.1f} GiB)",
        )

    def _load_seconds(self, model: InstalledModel) -> float:
        digest, size = model.weights.digest, model.spec.size
        warm = digest in self._page_cache
        self._page_cache[digest] = size
        self._page_cache.move_to_end(digest)
        while sum(self._page_cache.values()) > self._node.ram_gb * GB and len(self._page_cache) > 1:
            self._page_cache.popitem(last=False)
        gain = _WARM_FILE_GAIN if warm else 1.0
        return (_START + size / GB / (self._node.disk_gb_per_second * gain)) / self._node.speed
