"""``GET tasks/{id}/stream``: what was written so far in one line, then live, across attempts, last the final task.

The text of a running attempt comes from its Redis Stream, everything else from the database; without Redis the
stream says less and still ends right.
"""

import asyncio
import contextlib
import json
import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import redis.asyncio
from django.conf import settings
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from typing_extensions import TypedDict

from orchestration import queries
from orchestration.api.threads import give_up_request_thread, in_any_thread
from orchestration.api.watching import LOOK_SECONDS, TaskState, Watched, task_states, watch
from orchestration.errors import NotFound
from orchestration.events import attempt_stream
from orchestration.payloads import TaskPayload
from orchestration.policy.states import Phase

BLOCK_SECONDS = 1.0
_LIVE_PHASES = frozenset({Phase.LOADING, Phase.PREFILL, Phase.GENERATING})
QUIET_SECONDS = 15.0
"""After so long without a line a state line is repeated, so that proxies keep the connection and a lost one shows."""


class TextLine(TypedDict):
    """A piece of the answer or of the thinking; ``offset`` counts characters within this attempt."""

    type: Literal["text", "thinking"]
    offset: int
    text: str


class ToolCallsLine(TypedDict):
    type: Literal["tool_calls"]
    tool_calls: list[Any]


class AttemptLine(TypedDict):
    """A new attempt begins, or this one has ended with another text: what came before it does not count any more,
    offsets start at 0."""

    type: Literal["attempt"]
    attempt_id: int | None
    number: int


class StateLine(TypedDict):
    """Where the task stands, when that changed or as a sign of life."""

    type: Literal["state"]
    state: str
    message: str
    node: str | None
    model: str | None
    waiting_reason: str | None


LiveLine = TextLine | ToolCallsLine | AttemptLine | StateLine
StreamLine = LiveLine | TaskPayload
"""The last line of a stream is the task; it alone has the field ``status``."""


@dataclass(slots=True)
class Told:
    """How much of the present attempt the client has. A frame that starts beyond it is a gap."""

    attempt_id: int | None = None
    text: int = 0
    thinking: int = 0
    last_id: str = "0-0"
    gap: bool = False
    closed: bool = False
    phase: str = ""
    sums: dict[str, int] = field(default_factory=dict)

    def is_start_of(self, frame: dict[str, Any]) -> bool:
        """Not so where an answer was asked for once more, or changed by an extension of its agent."""
        known = (("text", frame["t"][: self.text]), ("thinking", frame["h"][: self.thinking]))
        return all(_sum(text) == self.sums.get(kind, 0) for kind, text in known)

    def lines(self, frame: dict[str, Any]) -> Iterator[LiveLine]:
        self.closed = self.closed or "end" in frame
        if thinking := self._rest("thinking", frame.get("ho"), frame.get("h")):
            yield thinking
        if text := self._rest("text", frame.get("o"), frame.get("t")):
            yield text
        if "c" in frame:
            yield ToolCallsLine(type="tool_calls", tool_calls=frame["c"])

    def _rest(self, kind: Literal["text", "thinking"], offset: int | None, text: str | None) -> TextLine | None:
        """What the client has not got of a piece that starts at ``offset``."""
        if text is None or offset is None:
            return None
        have = self.text if kind == "text" else self.thinking
        if offset > have:
            self.gap = True
            return None
        fresh = text[have - offset :]
        if not fresh:
            return None
        if kind == "text":
            self.text += len(fresh)
        else:
            self.thinking += len(fresh)
        self.sums[kind] = _sum(fresh, self.sums.get(kind, 0))
        return TextLine(type=kind, offset=have, text=fresh)


def _sum(text: str, before: int = 0) -> int:
    return zlib.crc32(text.encode("utf-8", "surrogatepass"), before)


def merged(lines: list[LiveLine]) -> list[LiveLine]:
    """One line for each kind of text, the answer first and always."""
    pieces: dict[str, str] = {"text": "", "thinking": ""}
    others: list[LiveLine] = []
    for line in lines:
        if line["type"] == "text" or line["type"] == "thinking":
            pieces[line["type"]] += line["text"]
        else:
            others.append(line)
    first: list[LiveLine] = [TextLine(type="text", offset=0, text=pieces["text"])]
    if pieces["thinking"]:
        first.append(TextLine(type="thinking", offset=0, text=pieces["thinking"]))
    return first + others[-1:]


class Frames:
    """The live text of attempts. Redis may be away: then there is none, and asking takes its time."""

    def __init__(self) -> None:
        self._redis = redis.asyncio.Redis.from_url(
            settings.REDIS_URL,
            decode_responses=True,
            protocol=2,
            single_connection_client=True,
            socket_connect_timeout=1,
            socket_timeout=BLOCK_SECONDS + 2,
            retry=Retry(NoBackoff(), 0),
        )

    async def after(self, told: Told, *, seconds: float) -> list[dict[str, Any]]:
        """The frames after the last one; waits for the first up to that time, 0 not at all."""
        if told.attempt_id is None:
            return []
        block = round(seconds * 1000) or None
        try:
            found: Any = await self._redis.xread({attempt_stream(told.attempt_id): told.last_id}, block=block)
        except (RedisError, OSError):
            await asyncio.sleep(seconds)
            return []
        entries = found[0][1] if found else []
        if entries:
            told.last_id = entries[-1][0]
        return [json.loads(fields["f"]) for _, fields in entries]

    async def close(self) -> None:
        with contextlib.suppress(RedisError, OSError):
            await self._redis.aclose()


async def lines(task_id: int) -> AsyncIterator[bytes]:
    """The whole answer, line by line."""
    frames = Frames()
    give_up_request_thread()
    try:
        async with watch(task_states).on(task_id) as watched:
            async for line in Follower(task_id, frames, watched).lines():
                yield json.dumps(line, separators=(",", ":"), default=str).encode() + b"\n"
    except NotFound:
        return  # deleted while it was followed; the client sees an end without a last state
    finally:
        await frames.close()


class Follower:
    """One client following one task."""

    def __init__(self, task_id: int, frames: Frames, watched: Watched) -> None:
        self._task_id = task_id
        self._frames = frames
        self._watched = watched
        self._told = Told()
        self._said: StateLine | None = None
        self._said_at = 0.0

    async def lines(self) -> AsyncIterator[StreamLine]:
        task = await _task(self._task_id)
        self._told = Told(attempt_id=task["attempt_id"])
        for line in merged(await self._so_far(task)):
            yield line
        while not _has_ended(task):
            if state := self._state_line(task):
                yield state
            async for line in self._until_news():
                yield line
            earlier, task = task, await _task(self._task_id)
            if task["attempt_id"] != earlier["attempt_id"] and task["attempt_id"] is not None:
                self._told = Told(attempt_id=task["attempt_id"])
                yield AttemptLine(type="attempt", attempt_id=task["attempt_id"], number=task["attempts"])
        stored = _stored(task)
        if not self._told.is_start_of(stored):
            self._told = Told(attempt_id=task["attempt_id"])
            yield AttemptLine(type="attempt", attempt_id=task["attempt_id"], number=task["attempts"])
        for line in self._told.lines(stored):
            yield line
        yield task

    async def _so_far(self, task: TaskPayload) -> list[LiveLine]:
        frames = await self._frames.after(self._told, seconds=0) if task["status"] == "running" else []
        return [line for frame in [*frames, _stored(task)] for line in self._told.lines(frame)]

    async def _until_news(self) -> AsyncIterator[LiveLine]:
        """Text as it comes, until the task's row changes or a state line is due."""
        now = asyncio.get_running_loop().time
        while now() - self._said_at < QUIET_SECONDS:
            if not self._is_running():
                if await self._watched.changed(BLOCK_SECONDS):
                    return
                continue
            for frame in await self._frames.after(self._told, seconds=BLOCK_SECONDS):
                for line in self._live(frame):
                    self._said_at = now()
                    yield line
            if self._told.gap:
                await self._read_again()
            if await self._watched.changed(0):
                return
        self._said = None

    def _live(self, frame: dict[str, Any]) -> Iterator[LiveLine]:
        """What a frame adds; a new phase first."""
        if frame.get("p") in _LIVE_PHASES:
            self._told.phase = frame["p"]
        if self._said and self._told.phase and self._told.phase != self._said["state"]:
            self._said = StateLine(**{**self._said, "state": self._told.phase, "message": ""})
            yield self._said
        yield from self._told.lines(frame)

    async def _read_again(self) -> None:
        """After a gap: the frames before it may be there, or a snapshot comes, or the end closes it."""
        await asyncio.sleep(LOOK_SECONDS)
        self._told.gap, self._told.last_id = False, "0-0"

    def _is_running(self) -> bool:
        state = self._watched.state
        return isinstance(state, TaskState) and state.running and not self._told.closed

    def _state_line(self, task: TaskPayload) -> StateLine | None:
        """None when the client has been told just that. The phase of the frames is fresher than that of the row."""
        live = task["status"] == "running" and task["state"] != "cancelling"
        line = StateLine(
            type="state",
            state=(live and self._told.phase) or task["state"],
            message=task["message"],
            node=task["node"],
            model=task["model_used"] or task["model_name"],
            waiting_reason=task["waiting_reason"],
        )
        if line == self._said:
            return None
        self._said, self._said_at = line, asyncio.get_running_loop().time()
        return line


def _has_ended(task: TaskPayload) -> bool:
    return task["completed_at"] is not None


def _stored(task: TaskPayload) -> dict[str, Any]:
    """What the database has of the text, as a frame from the beginning."""
    output = task["output"] if isinstance(task["output"], str) else ""
    return {"o": 0, "t": output, "ho": 0, "h": task["thinking"]}


async def _task(task_id: int) -> TaskPayload:
    return await in_any_thread(queries.task_detail, task_id)
