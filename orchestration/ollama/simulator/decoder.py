"""One clock per node that moves every running request forward, slowed down by its neighbours."""

import asyncio
import random
import time
from collections import deque
from typing import Protocol

from .refusal import Refusal

# Slow-down per extra request in a runner, and per extra busy runner on the same GPU.
BETA = 0.25
DELTA = 0.8
# A prompt token costs a fifteenth of an answer token.
PREFILL_GAIN = 15.0
_TICK = 0.01


class Pace(Protocol):
    """What the clock must know about a runner."""

    @property
    def rate(self) -> float: ...


class Sequence:
    """One request in a slot: its prompt tokens are read, then answer tokens become available one after the other."""

    __slots__ = (
        "ended_ns",
        "error",
        "limit",
        "pace",
        "prefill_left",
        "prefilled_ns",
        "produced",
        "progress",
        "runner",
        "waiter",
    )

    def __init__(self, runner: Pace, prompt_tokens: float, limit: int) -> None:
        self.runner = runner
        self.prefill_left = prompt_tokens
        self.limit = limit
        self.progress = 0.0
        self.produced = 0
        self.pace = 1.0
        self.prefilled_ns = 0
        self.ended_ns = 0
        self.error: Refusal | None = None
        self.waiter: asyncio.Future[None] | None = None

    async def prefilled(self) -> None:
        while not self.prefilled_ns:
            await self._woken()

    async def beyond(self, seen: int) -> int:
        """How many tokens exist, as soon as they are more than ``seen``."""
        while self.produced <= seen:
            await self._woken()
        if self.error is not None:
            raise self.error
        return self.produced

    async def _woken(self) -> None:
        if self.error is not None:
            raise self.error
        self.waiter = asyncio.get_running_loop().create_future()
        await self.waiter

    def wake(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    def fail(self, error: Refusal) -> None:
        self.error = error
        self.wake()


class Decoder:
    """Wakes requests in batches: one timer for all, so that hundreds of streams cost little more than their bytes."""

    def __init__(self, jitter: float) -> None:
        self.jitter = jitter
        self._busy: dict[Pace, dict[Sequence, None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._last = 0.0
        self._meters: dict[Pace, deque[tuple[float, int]]] = {}

    def add(self, sequence: Sequence) -> None:
        self._busy.setdefault(sequence.runner, {})[sequence] = None
        if self._timer is None:
            self._last = time.monotonic()
            self._timer = asyncio.get_running_loop().call_later(_TICK, self._tick)

    def drop(self, sequence: Sequence) -> None:
        group = self._busy.get(sequence.runner)
        if group is not None and group.pop(sequence, True) is None and not group:
            del self._busy[sequence.runner]

    def fail_all(self, runner: Pace, error: Refusal) -> None:
        for sequence in list(self._busy.get(runner, ())):
            self.drop(sequence)
            sequence.fail(error)

    def forget(self, runner: Pace) -> None:
        self._meters.pop(runner, None)

    def tokens_last_second(self, runner: Pace) -> int:
        since = time.monotonic() - 1.0
        return sum(count for at, count in self._meters.get(runner, ()) if at >= since)

    def _tick(self) -> None:
        now = time.monotonic()
        elapsed, self._last = now - self._last, now
        crowd = 1 + DELTA * (len(self._busy) - 1)
        for runner, group in list(self._busy.items()):
            share = elapsed * runner.rate / ((1 + BETA * (len(group) - 1)) * crowd)
            produced = sum(self._advance(sequence, share) for sequence in list(group))
            if produced:
                self._measure(runner, now, produced)
        self._timer = asyncio.get_running_loop().call_later(_TICK, self._tick) if self._busy else None

    def _advance(self, sequence: Sequence, share: float) -> int:
        if not sequence.prefilled_ns:
            share = self._read_prompt(sequence, share)
            if not sequence.prefilled_ns:
                return 0
        sequence.progress += share * sequence.pace
        reached = min(int(sequence.progress), sequence.limit)
        fresh = reached - sequence.produced
        if fresh:
            sequence.produced = reached
            sequence.pace = 1.0 + self.jitter * (2.0 * random.random() - 1.0)
            sequence.wake()
        if reached >= sequence.limit:
            sequence.ended_ns = time.perf_counter_ns()
            self.drop(sequence)
        return fresh

    @staticmethod
    def _read_prompt(sequence: Sequence, share: float) -> float:
        """What is left of this tick's work after the prompt, in answer tokens."""
        sequence.prefill_left -= share * PREFILL_GAIN
        if sequence.prefill_left > 0:
            return 0.0
        sequence.prefilled_ns = time.perf_counter_ns()
        sequence.wake()
        return -sequence.prefill_left / PREFILL_GAIN

    def _measure(self, runner: Pace, now: float, count: int) -> None:
        meter = self._meters.setdefault(runner, deque())
        meter.append((now, count))
        while meter and meter[0][0] < now - 1.0:
            meter.popleft()
