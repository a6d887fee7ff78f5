"""A pull as its worker follows it: told to those who watch, written down now and then, ended in words."""

import asyncio
import re
import time
from contextlib import aclosing

from orchestration.engine.talks import Talk
from orchestration.engine.writer import Writer
from orchestration.errors import DroverError, NotPublished, OllamaError, Unprocessable
from orchestration.ollama.wire import PullProgress
from orchestration.policy.pulls import Meter, size, span
from orchestration.queries.pulls import names_like
from orchestration.services import pulls

TELL_SECONDS = 0.2
NOTE_SECONDS = 2.0

_MISSING = "file does not exist"
_REFUSED = re.compile(r"pull model manifest: (4\d\d)\b")
_PASSING = frozenset({"408", "425", "429"})
"""What a registry says that is well again after a while."""


async def pulled(talk: Talk, writer: Writer) -> str:
    """Layer after layer, until the server has everything. Raises what ended it before, once that is written down."""
    began = time.monotonic()
    known = await writer.call(pulls.standing, talk.work.task_id)
    meter = Meter(known.layers, expected=known.total_bytes)
    before = meter.done
    progress = _Progress(talk, writer, meter)
    try:
        async with aclosing(talk.client.pull(_spelled(talk))) as lines:
            async for line in lines:
                progress.take(line)
    except OllamaError as error:
        await progress.end()
        raise await _in_our_words(error, talk.work.model, writer) from error
    except asyncio.CancelledError:
        await progress.end()
        raise
    meter.complete()
    await progress.end()
    return _how_it_went(meter, before, time.monotonic() - began)


def _spelled(talk: Talk) -> str:
    typed = talk.work.parameters.get("spelled") or {}
    return str(typed.get(talk.work.model, talk.work.model))


class _Progress:
    """The way of one pull's lines to those who watch and to the database. No line waits for either."""

    def __init__(self, talk: Talk, writer: Writer, meter: Meter) -> None:
        self._talk = talk
        self._writer = writer
        self._meter = meter
        self._told_at = self._noted_at = 0.0
        self._note: asyncio.Task[bool] | None = None

    def take(self, line: PullProgress) -> None:
        now = time.monotonic()
        moved = self._meter.add(line.status, line.digest, line.total, line.completed, at=now)
        if moved or now - self._told_at >= TELL_SECONDS:
            self._told_at = now
            self._talk.feed.tell(self._meter.percent, self._meter.words)
        if (moved or now - self._noted_at >= NOTE_SECONDS) and (self._note is None or self._note.done()):
            self._noted_at = now
            self._note = asyncio.create_task(self._write())

    async def end(self) -> None:
        """What is known now is written, whatever was under way."""
        if self._note is not None:
            await asyncio.wait([self._note])
            self._note.exception()  # what could not be written then is written now
        await self._write()

    async def _write(self) -> bool:
        meter, work = self._meter, self._talk.work
        return await self._writer.call(
            pulls.note,
            task_id=work.task_id,
            token=work.token,
            stage=meter.stage,
            layers=meter.layers,
            done_bytes=meter.done,
            total_bytes=meter.total,
            bytes_per_second=meter.bytes_per_second,
        )


def _how_it_went(meter: Meter, before: int, seconds: float) -> str:
    fresh = meter.done - before
    if not meter.total:
        return "Pulled"
    if before:
        return f"{size(meter.total)} are there, {size(fresh)} of them since the last try"
    return f"{size(meter.total)} in {span(seconds)}"


async def _in_our_words(error: OllamaError, model: str, writer: Writer) -> DroverError:
    """What a library says for good is no fault of the node, and no other try would hear anything else."""
    if _MISSING in error.message:
        near = await writer.call(names_like, model)
        meant = f" Did you mean {', '.join(near)}?" if near else ""
        return NotPublished(f"The library has no model {model}.{meant}", model=model, near=near)
    found = _REFUSED.search(error.message)
    if found and found[1] not in _PASSING:
        return Unprocessable(f"The library does not give out {model}: {error.message}", model=model)
    return error
