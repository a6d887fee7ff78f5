"""What the handler of a custom task type is given: its task, its node, and ways to say how far it is.

Context and Client are used in the handler's thread; Calls belongs to the worker's loop, and is reached by its futures.
"""

import asyncio
import math
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

from orchestration.engine.embeddings import vectors_of
from orchestration.engine.requests import common_arguments, think_of
from orchestration.engine.talks import Talk, measured
from orchestration.engine.writer import Writer
from orchestration.errors import ExtensionFailed
from orchestration.extensions import Answer
from orchestration.ollama import wire
from orchestration.policy.options import check_options
from orchestration.policy.storing import storable
from orchestration.services.work import AttemptWork

T = TypeVar("T")

MOST_WRITTEN = 10_000_000
"""Characters."""
LONGEST_MESSAGE = 300


class Calls:
    """One at a time: the task holds one slot. Once closed, what runs is cancelled, which closes its connection."""

    def __init__(self, talk: Talk, writer: Writer) -> None:
        self.talk = talk
        self.loop = asyncio.get_running_loop()
        self._writer = writer
        self._one = asyncio.Lock()
        self._running: set[asyncio.Task[Any]] = set()
        self._closed = False
        self._alive_at = time.monotonic()

    def silent_seconds(self) -> float:
        return 0.0 if self._running else time.monotonic() - self._alive_at

    def lives(self) -> None:
        self._alive_at = time.monotonic()

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        self._closed = True
        for task in self._running:
            task.cancel()

    async def stream(self, sent: dict[str, Any], put: Callable[[wire.Chunk | None], object]) -> None:
        """Every object of the answer is put, and None at its end, whatever that was."""
        try:
            await self._run(self._stream(sent, put))
        finally:
            put(None)

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return await self._run(vectors_of(self.talk, self._writer, texts))

    async def _run(self, call: Coroutine[Any, Any, T]) -> T:
        task = asyncio.current_task()
        assert task is not None
        if self._closed:
            call.close()
            raise ExtensionFailed("The task has ended: its model can no longer be asked.")
        self._running.add(task)
        try:
            async with self._one:
                return await call
        finally:
            call.close()
            self._running.discard(task)
            self.lives()

    async def _stream(self, sent: dict[str, Any], put: Callable[[wire.Chunk | None], object]) -> None:
        chunk: wire.Chunk | None = None
        heard = self.talk.feed.beside()
        async with aclosing(self.talk.call(sent)) as chunks:
            async for chunk in chunks:
                self.talk.feed.count(chunk)
                heard.add(chunk)
                put(chunk)
        self.talk.took(measured(chunk, heard))


class Context:
    """The extension API's TaskContext."""

    def __init__(self, calls: Calls) -> None:
        work = calls.talk.work
        self.task_id, self.type, self.agent = work.task_id, work.type, work.agent_name
        self.node, self.model, self.options = work.node_name, work.model, work.options
        self.input = work.prompt if work.prompt or work.inputs == [""] else work.inputs
        self.messages, self.system, self.images = work.messages, work.system, work.images
        self.format, self.parameters = work.format, work.parameters
        self.client = Client(calls)
        self._feed = calls.talk.feed
        self._calls = calls
        self._lock = threading.Lock()
        self._written: list[str] = []
        self._length = 0
        self._progress: tuple[float, str] | None = None
        self._flushing = False

    @property
    def cancelled(self) -> bool:
        return self._calls.closed

    def progress(self, percent: float, message: str = "") -> None:
        if not math.isfinite(percent):
            raise ValueError(f"progress() takes 0 to 100, not {percent}")
        with self._lock:
            self._progress = (float(percent), storable(str(message))[:LONGEST_MESSAGE])
        self._want_flush()

    def write(self, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError(f"write() takes a text, not {type(text).__name__}")
        with self._lock:
            self._length += len(text)
            if self._length > MOST_WRITTEN:
                raise ExtensionFailed(f"The task wrote more than {MOST_WRITTEN:,} characters.")
            self._written.append(text)
        self._want_flush()

    def _want_flush(self) -> None:
        """However often it is asked for, the worker's loop does it once."""
        if self._calls.closed:
            raise ExtensionFailed("The task has ended: nothing more can be said of it.")
        self._calls.lives()
        with self._lock:
            wanted, self._flushing = not self._flushing, True
        if wanted:
            self._calls.loop.call_soon_threadsafe(self.flush)

    def flush(self) -> None:
        with self._lock:
            text, progress = "".join(self._written), self._progress
            self._written.clear()
            self._progress, self._flushing = None, False
        if text:
            self._feed.say(text)
        if progress is not None:
            self._feed.tell(*progress)


class Client:
    """The extension API's ModelClient."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._work = calls.talk.work

    def generate(
        self,
        prompt: str,
        *,
        system: str = "",
        images: Sequence[str] = (),
        format: str | Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        think: bool | str | None = None,
    ) -> "Answering":
        texts = {"prompt": prompt, "system": system or None, "images": list(images)}
        return Answering(self._calls, {**_arguments(self._work, format, options, think), **texts})

    def chat(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        tools: Sequence[Mapping[str, Any]] | None = None,
        format: str | Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        think: bool | str | None = None,
    ) -> "Answering":
        said = {"messages": list(messages), "tools": tools}
        return Answering(self._calls, {**_arguments(self._work, format, options, think), **said})

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        call = self._calls.embed(list(texts))
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call, self._calls.loop))


def _arguments(
    work: AttemptWork, format: str | Mapping[str, Any] | None, options: Mapping[str, Any] | None, think: Any
) -> dict[str, Any]:
    """The context size stays as granted: another one would load the model anew."""
    common = common_arguments(work)
    if options:
        common["options"] = {**work.options, **check_options(options), "num_ctx": work.num_ctx}
    return {**common, "format": format, "think": think_of(work, work.think if think is None else think)}


class Answering:
    """The extension API's Stream: the call is made when the first piece is asked for."""

    def __init__(self, calls: Calls, sent: dict[str, Any]) -> None:
        self._calls = calls
        self._sent = sent
        self._begun = False
        self._answer: Answer | None = None

    def __aiter__(self) -> AsyncIterator[str]:
        if self._begun:
            raise ExtensionFailed("An answer can be read once.")
        self._begun = True
        return self._pieces()

    async def answer(self) -> Answer:
        if not self._begun:
            async for _ in self:
                pass
        if self._answer is None:
            raise ExtensionFailed("The answer was left before its end.")
        return self._answer

    async def _pieces(self) -> AsyncIterator[str]:
        here, arrived = asyncio.get_running_loop(), asyncio.Queue[wire.Chunk | None]()

        def put(chunk: wire.Chunk | None) -> None:
            if not here.is_closed():
                here.call_soon_threadsafe(arrived.put_nowait, chunk)

        pumping = asyncio.run_coroutine_threadsafe(self._calls.stream(self._sent, put), self._calls.loop)
        heard: list[wire.Chunk] = []
        try:
            while chunk := await arrived.get():
                heard.append(chunk)
                if chunk.text:
                    yield chunk.text
            await asyncio.wrap_future(pumping)
        finally:
            pumping.cancel()
        self._answer = _whole(heard)


def _whole(chunks: Sequence[wire.Chunk]) -> Answer:
    calls = [{"function": {"name": c.name, "arguments": c.arguments}} for chunk in chunks for c in chunk.tool_calls]
    return Answer(
        text="".join(chunk.text for chunk in chunks),
        thinking="".join(chunk.thinking for chunk in chunks),
        tool_calls=calls,
        done_reason=chunks[-1].done_reason if chunks else None,
    )
