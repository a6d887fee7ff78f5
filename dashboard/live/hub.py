"""One Redis reader for all sockets of this process: reads each stream once and hands the entries on in memory.

It asks 20 times a second instead of blocking: one question covers every watched stream and, in the same transaction,
whether the last entry seen is still there. If not, the stream was flushed or trimmed and everybody takes a snapshot.
Where many tasks changed at once their rows are read here, once for everybody, and told like any others.
"""

import asyncio
import json
import logging
import random
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, cast
from weakref import WeakKeyDictionary

import redis.asyncio
from django.conf import settings
from django.db import DatabaseError
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from dashboard.live.reads import SharedReads, read
from orchestration import queries
from orchestration.events import EVENTS, attempt_stream
from orchestration.payloads import TaskRow

log = logging.getLogger(__name__)

TICK_SECONDS = 0.05
READ_AT_ONCE = 1000
FIRST_RETRY_SECONDS = 0.25
LAST_RETRY_SECONDS = 5.0
JOIN_SECONDS = 1.0
REPLAYED_AT_MOST = 2000
ROWS_AT_MOST = 1000
NOTHING = "0-0"
MANY = "tasks"
AWAY = (RedisError, OSError)

Frame = dict[str, Any]
Entry = tuple[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Event:
    """An entry of the event stream. ``seq`` is its stream id."""

    seq: str
    kind: str
    data: Any


class Listener(Protocol):
    def on_event(self, event: Event) -> None: ...

    def on_reset(self) -> None:
        """Events may be missing: what was read before is no longer a base to build on."""


class Hub:
    def __init__(self, url: str) -> None:
        self.seq = NOTHING
        self.connected = False
        self.reads = SharedReads()
        self._url = url
        self._listeners: dict[Listener, bool] = {}
        self._watchers: dict[str, dict[Callable[[Frame], None], None]] = {}
        self._positions: dict[str, str] = {}
        self._ready = asyncio.Event()
        self._client: redis.asyncio.Redis | None = None
        self._reader: asyncio.Task[None] | None = None

    async def join(self, listener: Listener) -> None:
        """From when this returns the listener misses nothing; a Redis that is away is made up for by a reset."""
        self._listeners[listener] = False
        if self._reader is None:
            self._start()
        with suppress(TimeoutError):
            async with asyncio.timeout(JOIN_SECONDS):
                await self._ready.wait()
        self._listeners[listener] = True

    async def leave(self, listener: Listener) -> None:
        """The last one to leave stops the reader."""
        self._listeners.pop(listener, None)
        if self._listeners or self._reader is None:
            return
        reader, self._reader, self._client = self._reader, None, None
        self._watchers.clear()
        reader.cancel()
        await asyncio.wait([reader])

    async def watch(self, attempt_id: int, listener: Callable[[Frame], None]) -> list[Frame]:
        """What the attempt has written so far. What comes later goes to the listener, some of it perhaps twice."""
        stream = attempt_stream(attempt_id)
        self._watchers.setdefault(stream, {})[listener] = None
        entries: list[Entry] = []
        try:
            entries = await self._whole(stream)
        except AWAY as error:
            log.info("text of attempt %s not read, Redis is away: %s", attempt_id, error)
        if stream in self._watchers:
            self._positions.setdefault(stream, entries[-1][0] if entries else NOTHING)
        return _frames(entries)

    def unwatch(self, attempt_id: int, listener: Callable[[Frame], None]) -> None:
        stream = attempt_stream(attempt_id)
        watchers = self._watchers.get(stream, {})
        watchers.pop(listener, None)
        if not watchers:
            self._watchers.pop(stream, None)
            self._positions.pop(stream, None)

    async def since(self, seq: str) -> list[Event] | None:
        """Everything after that entry; None when it is gone, or so old that a snapshot is shorter."""
        if self._client is None or not self.connected:
            return None
        try:
            entries = await _range(self._client, EVENTS, seq, "+", REPLAYED_AT_MOST + 2)
        except AWAY:
            return None
        if not entries or entries[0][0] != seq or len(entries) > REPLAYED_AT_MOST + 1:
            return None
        missed = _events(entries[1:])
        return None if any(event.kind == MANY for event in missed) else missed

    async def _whole(self, stream: str) -> list[Entry]:
        entries: list[Entry] = []
        while self._client is not None:
            after = f"({entries[-1][0]}" if entries else "-"
            page = await _range(self._client, stream, after, "+", READ_AT_ONCE)
            entries += page
            if len(page) < READ_AT_ONCE:
                break
        return entries

    def _start(self) -> None:
        self.seq = NOTHING
        self.connected = False
        self._ready = asyncio.Event()
        self._positions.clear()
        self._client = redis.asyncio.Redis.from_url(
            self._url,
            decode_responses=True,
            max_connections=16,
            socket_connect_timeout=2,
            socket_timeout=5,
            retry=Retry(NoBackoff(), 0),
        )
        self._reader = asyncio.get_running_loop().create_task(self._run(self._client), name="live hub")
        self._reader.add_done_callback(self._ended)

    def _ended(self, reader: asyncio.Task[None]) -> None:
        """Begins anew, with a snapshot for everybody, should the reader ever break."""
        if reader.cancelled() or not (error := reader.exception()):
            return
        log.error("the reader of live events broke", exc_info=error)
        if reader is self._reader:
            asyncio.get_running_loop().call_later(FIRST_RETRY_SECONDS, self._restart, reader)

    def _restart(self, broken: asyncio.Task[None]) -> None:
        if broken is self._reader:
            self._start()

    async def _run(self, client: redis.asyncio.Redis) -> None:
        """Ends when it is no longer the hub's reader: the Redis client may swallow a cancellation."""
        delay = FIRST_RETRY_SECONDS
        try:
            while self._reader is asyncio.current_task():
                try:
                    more = await (self._read(client) if self.connected else self._connect(client))
                    delay = FIRST_RETRY_SECONDS
                except AWAY as error:
                    if self.connected or delay == FIRST_RETRY_SECONDS:
                        log.warning("live events stand still, Redis is away: %s", error)
                    self.connected = False
                    await asyncio.sleep(delay * random.uniform(0.5, 1))
                    delay = min(2 * delay, LAST_RETRY_SECONDS)
                    continue
                await asyncio.sleep(0 if more else TICK_SECONDS)
        finally:
            self.connected = False
            await client.aclose()

    async def _connect(self, client: redis.asyncio.Redis) -> bool:
        """Goes on where it was if that entry is still there, otherwise begins at the newest."""
        kept = self.seq != NOTHING and await _range(client, EVENTS, self.seq, self.seq, 1)
        if not kept:
            await self._begin(client)
        self.connected = True
        self._ready.set()
        return True

    async def _begin(self, client: redis.asyncio.Redis) -> None:
        newest = cast(list[Entry], await client.xrevrange(EVENTS, count=1))
        self.seq = newest[0][0] if newest else NOTHING
        for stream in self._positions:
            self._positions[stream] = NOTHING
        self._reset()

    async def _read(self, client: redis.asyncio.Redis) -> bool:
        """One question for everything. True when there is more to fetch at once."""
        seq = self.seq
        positions: dict[Any, Any] = {EVENTS: seq, **self._positions}
        async with client.pipeline(transaction=True) as pipe:
            pipe.xrange(EVENTS, min=seq, max=seq)
            pipe.xread(positions, count=READ_AT_ONCE)
            last, answer = await pipe.execute()
        if seq != NOTHING and not last:
            await self._begin(client)
            return True
        fresh: dict[str, list[Entry]] = dict(answer or ())
        for stream, entries in fresh.items():
            self._hand_on(stream, entries)
        if EVENTS in fresh:
            await self._tell_all(fresh[EVENTS])
        return any(len(entries) == READ_AT_ONCE for entries in fresh.values())

    def _hand_on(self, stream: str, entries: list[Entry]) -> None:
        if stream in self._positions:
            self._positions[stream] = entries[-1][0]
            for frame in _frames(entries):
                for watcher in list(self._watchers.get(stream, ())):
                    watcher(frame)

    async def _tell_all(self, entries: list[Entry]) -> None:
        """In their order: what comes after many changes waits until their rows are read."""
        events = _events(entries)
        many = {task_id: None for event in events if event.kind == MANY for task_id in event.data["ids"]}
        rows = await self._rows(list(many))
        self.seq = entries[-1][0]
        if rows is None:
            self._reset()
            return
        for event in events:
            changed = [rows.pop(task_id, None) for task_id in event.data["ids"]] if event.kind == MANY else ()
            for told in (Event(event.seq, "task", row) for row in changed if row):
                self._tell(told)
            if event.kind != MANY:
                self._tell(event)

    async def _rows(self, task_ids: list[int]) -> dict[int, TaskRow] | None:
        """As they are now; None where a snapshot of what each reader shows is shorter, or there is no reading."""
        if len(task_ids) > ROWS_AT_MOST:
            return None
        try:
            return {row["id"]: row for row in await read(queries.task_rows_by_id, task_ids)} if task_ids else {}
        except DatabaseError as error:
            log.warning("%d changed tasks not read: %s", len(task_ids), error)
            return None

    def _reset(self) -> None:
        for listener in self._live():
            listener.on_reset()

    def _tell(self, event: Event) -> None:
        for listener in self._live():
            listener.on_event(event)

    def _live(self) -> list[Listener]:
        return [listener for listener, joined in self._listeners.items() if joined]


async def _range(client: redis.asyncio.Redis, stream: str, first: str, last: str, count: int) -> list[Entry]:
    return cast(list[Entry], await client.xrange(stream, min=first, max=last, count=count))


def _events(entries: Iterable[Entry]) -> list[Event]:
    return [Event(seq, kind, data) for seq, fields in entries for kind, data in _decoded(fields, "k", "d")]


def _frames(entries: Iterable[Entry]) -> list[Frame]:
    return [frame for _, fields in entries for _, frame in _decoded(fields, None, "f")]


def _decoded(fields: dict[str, str], kind: str | None, data: str) -> list[tuple[str, Any]]:
    """Nothing for an entry that nobody of ours wrote."""
    try:
        return [(fields[kind] if kind else "", json.loads(fields[data]))]
    except (KeyError, ValueError) as error:
        log.warning("entry skipped: %r", error)
        return []


_HUBS: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub() -> Hub:
    """The one of this process, that is, of its event loop."""
    return _HUBS.setdefault(asyncio.get_running_loop(), Hub(settings.REDIS_URL))
