"""The way of tokens to those who watch: frames, progress and rates of all attempts of this process.

The loop gathers what is new at most 20 times a second, a thread sends it in one pipeline. When Redis is away or was
emptied, the next frame of an attempt is its whole text.
"""

import asyncio
import json
import logging
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import redis
from django.utils import timezone

from orchestration import events
from orchestration.engine.feeds import Feed, Frame
from orchestration.policy.states import Phase

log = logging.getLogger(__name__)

TICK_SECONDS = 0.05
PROGRESS_SECONDS = 0.5
RATES_SECONDS = 1.0
REFRESH_SECONDS = 5.0
"""So often the progress of everything is written again, for the case that Redis was emptied."""
SHARE_OF_TIME = 0.2
"""Sending may take no more than this part of the time; with hundreds of streams the ticks get longer instead."""
RUNNING_STREAM_SECONDS = 86_400
LONGEST_PAUSE_SECONDS = 2.0
ENDED_KEPT_SECONDS = 60.0
"""So long the end of an attempt waits for a Redis that is away; later its readers ask the database anyway."""


@dataclass(slots=True)
class _Round:
    """Everything that leaves in one pipeline."""

    frames: list[tuple[Feed, list[Frame]]] = field(default_factory=list)
    changed: list[Feed] = field(default_factory=list)
    rows: list[list[Any]] = field(default_factory=list)
    progress: dict[str, Any] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)
    rates: dict[str, Any] | None = None

    def __bool__(self) -> bool:
        return bool(self.frames or self.rows or self.progress or self.ended or self.rates is not None)


class Frames:
    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._open: dict[Feed, None] = {}
        self._dirty: dict[Feed, None] = {}
        self._changed: dict[Feed, None] = {}
        self._tokens: Counter[tuple[str, str]] = Counter()
        self._rates_empty = True
        self._due = {"progress": 0.0, "rates": 0.0, "refresh": 0.0}
        self._pause = 0.0
        self._work = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "drover-frames")

    def open(self, *, attempt_id: int, task_id: int, node: str, model: str, limit: int) -> Feed:
        feed = Feed(self._dirty, attempt_id=attempt_id, task_id=task_id, key=(node, model), limit=limit)
        self._open[feed] = None
        self._work.set()
        return feed

    async def run(self) -> None:
        """Until cancelled; ``close`` sends the rest."""
        while True:
            if not (self._open or self._changed or self._tokens) and self._rates_empty:
                self._work.clear()
            await self._work.wait()
            began = time.monotonic()
            await self._tick()
            took = time.monotonic() - began
            await asyncio.sleep(max(TICK_SECONDS, took / SHARE_OF_TIME, self._pause) - took)

    async def close(self) -> None:
        self._due["progress"] = 0.0
        await self._tick()
        await asyncio.get_running_loop().run_in_executor(self._thread, _forget_rates, self._worker)
        self._thread.shutdown(wait=False)

    async def _tick(self) -> None:
        current = self._gather(time.monotonic())
        if not current:
            return
        try:
            torn = await asyncio.get_running_loop().run_in_executor(self._thread, _send, self._worker, current)
        except redis.RedisError as error:
            self._failed(current, error)
        else:
            self._pause = 0.0
            self._arrived(current, torn)

    def _gather(self, now: float) -> _Round:
        current = _Round()
        dirty = list(self._dirty)
        self._dirty.clear()
        for feed in dirty:
            if frames := feed.frames():
                current.frames.append((feed, frames))
            self._changed[feed] = None
        if self._is_due("refresh", now, REFRESH_SECONDS):
            self._changed.update(self._open)
        if self._is_due("progress", now, PROGRESS_SECONDS):
            self._gather_progress(current)
        if self._is_due("rates", now, RATES_SECONDS):
            current.rates = self._rates()
        return current

    def _is_due(self, what: str, now: float, every: float) -> bool:
        if now < self._due[what]:
            return False
        self._due[what] = now + every
        return True

    def _gather_progress(self, current: _Round) -> None:
        current.changed = list(self._changed)
        self._changed.clear()
        for feed in current.changed:
            if feed.end:
                current.ended.append(str(feed.task_id))
                continue
            told = feed.progress()
            current.progress[str(feed.task_id)] = told
            current.rows.append([
                feed.task_id, feed.attempt_id, told["phase"], told["output_tokens"], told["tokens_per_second"],
                told["progress"], told["message"], told["phase_since"],
            ])  # fmt: skip

    def _rates(self) -> dict[str, Any] | None:
        """Tokens since the last time by node and model, and how many streams are in which phase. None: as before."""
        phases: dict[tuple[str, str], Counter[str]] = {}
        for feed in self._open:
            self._count(feed)
            if feed.phase in (Phase.LOADING, Phase.PREFILL, Phase.GENERATING):
                phases.setdefault(feed.key, Counter())[feed.phase] += 1
        tokens, self._tokens = self._tokens, Counter()
        was_empty, self._rates_empty = self._rates_empty, not phases and not tokens
        if was_empty and self._rates_empty:
            return None
        return {
            "at": timezone.now().isoformat(),
            "rates": {_name(key): count for key, count in tokens.items()},
            "phases": {_name(key): dict(counts) for key, counts in phases.items()},
        }

    def _count(self, feed: Feed) -> None:
        if feed.tokens > feed.rated:
            self._tokens[feed.key] += feed.tokens - feed.rated
            feed.rated = feed.tokens

    def _arrived(self, current: _Round, torn: list[Feed]) -> None:
        """``torn``: the stream was gone, so the readers lack what came before."""
        for feed, _ in current.frames:
            feed.opened = True
        for feed in torn:
            feed.again()
        for feed, frames in current.frames:
            if "end" in frames[-1] and feed not in torn:
                self._drop(feed)

    def _failed(self, current: _Round, error: redis.RedisError) -> None:
        if not self._pause:
            log.warning("live text is not sent, Redis is away: %s", error)
        self._pause = min(max(0.25, 2 * self._pause), LONGEST_PAUSE_SECONDS)
        now = time.monotonic()
        self._changed.update(dict.fromkeys(current.changed))
        for feed, _ in current.frames:
            if feed.end and now - feed.closed_at > ENDED_KEPT_SECONDS:
                self._drop(feed)
            else:
                feed.again()

    def _drop(self, feed: Feed) -> None:
        self._count(feed)
        self._open.pop(feed, None)
        self._dirty.pop(feed, None)


def _name(key: tuple[str, str]) -> str:
    return "\0".join(key)


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _send(worker: str, current: _Round) -> list[Feed]:
    """One pipeline. Returns the feeds whose stream had vanished."""
    sent: list[tuple[int, Feed]] = []
    with events.connection().pipeline(transaction=False) as pipe:
        for feed, frames in current.frames:
            sent.append((len(pipe), feed))
            _add_frames(pipe, feed, frames)
        if current.rows:
            data = _json({"worker": worker, "rows": current.rows})
            pipe.xadd(events.EVENTS, {"k": "progress", "d": data}, maxlen=events.EVENTS_KEPT, approximate=True)
        if current.progress:
            pipe.hset(events.PROGRESS, mapping={task_id: _json(told) for task_id, told in current.progress.items()})
        if current.ended:
            pipe.hdel(events.PROGRESS, *current.ended)
        if current.rates is not None:
            pipe.hset(events.RATES, worker, _json(current.rates))
        replies = pipe.execute()
    return [feed for index, feed in sent if replies[index] is None]


def _add_frames(pipe: redis.client.Pipeline, feed: Feed, frames: list[Frame]) -> None:
    stream = events.attempt_stream(feed.attempt_id)
    fresh = not feed.opened
    for frame in frames:
        pipe.xadd(stream, {"f": _json(frame)}, nomkstream=not fresh)
        if fresh:
            pipe.expire(stream, RUNNING_STREAM_SECONDS)
            fresh = False
    if feed.end:
        pipe.expire(stream, events.ATTEMPT_STREAM_SECONDS)


def _forget_rates(worker: str) -> None:
    try:
        events.connection().hdel(events.RATES, worker)
    except redis.RedisError as error:
        log.debug("rates of %s stay behind: %s", worker, error)
