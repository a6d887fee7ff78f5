"""A loaded model: its memory, its slots in order of arrival, its keep-alive timer."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from .options import RunnerOptions
from .registry import InstalledModel
from .specs import NodeSpec
from .stamps import FOREVER, after

_RECURRENT = "qwen35 qwen35moe qwen3next lfm2 lfm2moe nemotron_h nemotron_h_moe nemotron_h_omni"
_SINGLE_SLOT_FAMILIES = frozenset({"mllama", "qwen3vl", "qwen3vlmoe", *_RECURRENT.split()})
# Beyond the weights and the cache every runner needs room to compute in.
_COMPUTE_BYTES = 200_000_000
_CPU_SHARE = 0.15


def slots_of(model: InstalledModel, node: NodeSpec) -> int:
    single = model.spec.is_embedding or model.spec.family in _SINGLE_SLOT_FAMILIES
    return 1 if single else max(1, node.slots)


def memory_need(model: InstalledModel, options: RunnerOptions, node: NodeSpec) -> int:
    cache = model.spec.cache_bytes_per_token * options.num_ctx * slots_of(model, node)
    return model.spec.size + cache + _COMPUTE_BYTES


@dataclass(slots=True, eq=False)
class Slot:
    """Remembers the text it last worked on: a following prompt with the same beginning is read faster."""

    text: str = ""

    def shared_with(self, prompt: str) -> int:
        low, high = 0, min(len(self.text), len(prompt))
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.text.startswith(prompt[:middle]) else (low, middle - 1)
        return low


class Runner:
    """One loaded model. ``references`` counts requests that hold it, waiting for a slot or running."""

    def __init__(
        self, model: InstalledModel, options: RunnerOptions, node: NodeSpec, keep_alive: float, free: int
    ) -> None:
        self.model = model
        self.options = options
        self.keep_alive = keep_alive
        self.references = 0
        self.expires_ns = 0
        self.alive = True
        self.size = memory_need(model, options, node)
        self.size_vram = 0 if options.num_gpu == 0 else min(self.size, max(0, free))
        self.slots = slots_of(model, node)
        self._node = node
        self._free = [Slot() for _ in range(self.slots)]
        self._waiting: deque[asyncio.Future[Slot]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def rate(self) -> float:
        """Answer tokens per second of one request alone; a model that spills out of video memory crawls."""
        on_gpu = self.size_vram / self.size
        return self.model.spec.decode_rate * self._node.speed * (1.0 if on_gpu >= 1 else _CPU_SHARE)

    @property
    def weights(self) -> str:
        return self.model.weights.digest

    @property
    def waiting(self) -> int:
        return sum(not entry.done() for entry in self._waiting)

    @property
    def running(self) -> int:
        return self.slots - len(self._free)

    def shown_expiry(self) -> int:
        """Frozen while busy at its last value; during the very first request there is none yet, so it slides."""
        return self.expires_ns or after(time.time_ns(), self.keep_alive)

    def start_timer(self, expire: Callable[["Runner"], None]) -> None:
        self.stop_timer()
        self.expires_ns = after(time.time_ns(), self.keep_alive)
        if self.keep_alive != FOREVER:
            self._timer = asyncio.get_running_loop().call_later(self.keep_alive, expire, self)

    def stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @asynccontextmanager
    async def slot(self, prompt: str) -> AsyncIterator[Slot]:
        slot = self._take_free(prompt) or await self._next_free()
        try:
            yield slot
        finally:
            self._give_back(slot)

    def _take_free(self, prompt: str) -> Slot | None:
        if not self._free:
            return None
        best = max(self._free, key=lambda slot: slot.shared_with(prompt))
        self._free.remove(best)
        return best

    async def _next_free(self) -> Slot:
        ticket: asyncio.Future[Slot] = asyncio.get_running_loop().create_future()
        self._waiting.append(ticket)
        try:
            return await ticket
        except asyncio.CancelledError:
            if ticket.done() and not ticket.cancelled():
                self._give_back(ticket.result())
            elif ticket in self._waiting:
                self._waiting.remove(ticket)
            raise

    def _give_back(self, slot: Slot) -> None:
        while self._waiting:
            ticket = self._waiting.popleft()
            if not ticket.done():
                ticket.set_result(slot)
                return
        self._free.append(slot)
