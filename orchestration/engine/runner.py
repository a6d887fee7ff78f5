"""One attempt from its start to its end, and the only place where every exception is caught.

Whatever a model, a node or our own code does wrong ends one job, is logged, and leaves the others alone.
"""

import asyncio
import dataclasses
import inspect
import logging
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import aclosing
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

from django.db import InterfaceError, OperationalError, close_old_connections

from orchestration.engine import requests
from orchestration.engine.clients import new_client
from orchestration.engine.feeds import Feed
from orchestration.engine.frames import Frames
from orchestration.engine.handles import CURRENT, Handle, Outcome, Stopped, StopReason
from orchestration.engine.leases import Leases
from orchestration.engine.writer import Writer, WriterClosed, timed
from orchestration.errors import DroverError, InternalError, TimedOut
from orchestration.ollama import wire
from orchestration.ollama.client import OllamaClient
from orchestration.policy.states import Phase, TaskType
from orchestration.services import attempts, setbacks
from orchestration.services.attempts import AttemptResult, Success
from orchestration.services.work import AttemptWork

log = logging.getLogger(__name__)

RUNNER: ContextVar["Runner"] = ContextVar("drover_runner")
"""Of the worker that the running coroutine belongs to."""


class Clients:
    """One client, and so one pool of connections, for each node."""

    def __init__(self) -> None:
        self._clients: dict[tuple[str, bool], OllamaClient] = {}

    def of(self, work: AttemptWork) -> OllamaClient:
        key = (work.base_url, work.verify_tls)
        if key not in self._clients:
            self._clients[key] = new_client(work.base_url, verify_tls=work.verify_tls)
        return self._clients[key]

    async def aclose(self) -> None:
        for client in self._clients.values():
            await client.aclose()


class Runner:
    def __init__(self, *, worker: str, writer: Writer, frames: Frames, leases: Leases) -> None:
        self._worker = worker
        self._writer = writer
        self._frames = frames
        self._leases = leases
        self._clients = Clients()

    async def aclose(self) -> None:
        await self._clients.aclose()

    async def run(self, attempt_id: int, token: str) -> None:
        """Everything it writes is fenced by the token; a duplicate or late delivery ends here without a trace."""
        handle = CURRENT.get()
        if handle.reason is not None:
            await self._write_stop(handle.reason, attempt_id, token, "", "")
            return
        work, began = await self._start(attempt_id, token)
        if work is None:
            log.debug("attempt %s is not ours to start", attempt_id)
            return
        self._leases.hold(attempt_id, token, handle, began)
        feed = self._open_feed(work)
        end = "lost"
        try:
            end = await self._run(work, feed, handle)
        finally:
            self._leases.release(attempt_id)
            feed.close(end)

    async def _start(self, attempt_id: int, token: str) -> tuple[AttemptWork | None, float]:
        """What cannot be started for a fault of ours would be granted again with every lease that ends, for ever."""
        try:
            return await self._writer.add(self._start_many, (attempt_id, token))
        except (OperationalError, InterfaceError, WriterClosed):
            raise
        except Exception as error:
            log.exception("attempt %s could not be started", attempt_id)
            await self._writer.call(setbacks.fail, attempt_id=attempt_id, token=token, error=_our_fault(error))
            return None, 0.0

    def _start_many(self, claims: Sequence[tuple[int, str]]) -> list[tuple[AttemptWork | None, float]]:
        """With the time from which on their leases count."""
        works, began = timed(attempts.start_many, claims, worker=self._worker)
        return [(work, began) for work in works]

    def _open_feed(self, work: AttemptWork) -> Feed:
        limit = work.options.get("num_predict") if work.type != TaskType.EMBED else None
        feed = self._frames.open(
            attempt_id=work.attempt_id,
            task_id=work.task_id,
            node=work.node_name,
            model=work.model,
            limit=limit if isinstance(limit, int) else 0,
        )
        if work.model_loaded:
            feed.enter(Phase.PREFILL, "reading the prompt")
        else:
            feed.enter(Phase.LOADING, f"loading {work.model} on {work.node_name}")
        return feed

    async def _run(self, work: AttemptWork, feed: Feed, handle: Handle) -> str:
        """The word for how it ended, once that is written."""
        sent: dict[str, Any] = {}
        try:
            with handle.interruptible():
                sent.update(requests.arguments(work))
                result = await self._ask(work, sent, feed)
            return await self._write_success(work, result)
        except Stopped as stop:
            return await self._write_stop(stop.reason, work.attempt_id, work.token, str(feed.text), str(feed.thinking))
        except DroverError as error:
            return await self._write_failure(work, feed, sent, error)
        except Exception as error:
            log.exception("attempt %s of task %s failed inside Drover", work.attempt_id, work.task_id)
            return await self._write_failure(work, feed, sent, _our_fault(error))

    async def _ask(self, work: AttemptWork, sent: dict[str, Any], feed: Feed) -> AttemptResult:
        limit = work.timeout.total_seconds() if work.timeout else None
        try:
            async with asyncio.timeout(limit) as watch:
                if work.type == TaskType.EMBED:
                    return await self._embed(work, sent)
                return await self._stream(work, sent, feed)
        except TimeoutError as error:
            if not watch.expired():
                raise
            raise TimedOut(f"It took longer than the {limit:g} s it may take.", limit_seconds=limit) from error

    async def _embed(self, work: AttemptWork, sent: dict[str, Any]) -> AttemptResult:
        answer = await self._clients.of(work).embed(**sent)
        return AttemptResult(vectors=answer.vectors, metrics=answer.metrics, request=requests.record(work, sent))

    async def _stream(self, work: AttemptWork, sent: dict[str, Any], feed: Feed) -> AttemptResult:
        client = self._clients.of(work)
        call = client.chat if work.type == TaskType.CHAT else client.generate
        chunk: wire.Chunk | None = None
        async with aclosing(call(**sent)) as chunks:
            async for chunk in chunks:
                feed.add(chunk)
        return AttemptResult(
            output=_storable(str(feed.text)),
            thinking=_storable(str(feed.thinking)),
            tool_calls=feed.calls,
            metrics=_measured(chunk, feed),
            first_token_at=feed.first_token_at,
            done_reason=chunk.done_reason if chunk else None,
            request=requests.record(work, sent),
        )

    async def _write_success(self, work: AttemptWork, result: AttemptResult) -> str:
        mine = await self._writer.add(attempts.complete_many, Success(work.attempt_id, work.token, result))
        return "completed" if mine else "lost"

    async def _write_failure(self, work: AttemptWork, feed: Feed, sent: dict[str, Any], error: DroverError) -> str:
        mine = await self._writer.call(
            setbacks.fail,
            attempt_id=work.attempt_id,
            token=work.token,
            error=error,
            output=_storable(str(feed.text)),
            thinking=_storable(str(feed.thinking)),
            request=requests.record(work, sent) if sent else None,
            first_token_at=feed.first_token_at,
        )
        return "failed" if mine else "lost"

    async def _write_stop(self, reason: StopReason, attempt_id: int, token: str, output: str, thinking: str) -> str:
        match reason:
            case StopReason.CANCELLED:
                mine = await self._writer.call(
                    attempts.cancelled,
                    attempt_id=attempt_id,
                    token=token,
                    output=_storable(output),
                    thinking=_storable(thinking),
                )
                return "cancelled" if mine else "lost"
            case StopReason.SHUTDOWN:
                words = f"the worker {self._worker} was stopped"
                await self._writer.call(setbacks.give_back, attempt_id=attempt_id, token=token, reason=words)
        return "lost"


def _our_fault(error: Exception) -> InternalError:
    return InternalError(f"A fault inside Drover ({type(error).__name__}); the worker's log has the details.")


def _storable(text: str) -> str:
    """PostgreSQL takes neither zero characters nor halves of surrogate pairs, and some model will write them."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _measured(last: wire.Chunk | None, feed: Feed) -> wire.Metrics:
    """Ollama's own account; what it leaves out is filled from what was seen."""
    metrics = last.metrics if last is not None and last.metrics else wire.parse_metrics({})
    if metrics.output_tokens or not feed.tokens or feed.first_at is None:
        return metrics
    decode = metrics.decode or timedelta(seconds=time.monotonic() - feed.first_at)
    return dataclasses.replace(metrics, output_tokens=feed.tokens, decode=decode)


InThread = Callable[[Callable[[], Any]], "asyncio.Future[Any]"]


async def perform(handle: Handle, runner: Runner, in_thread: InThread) -> Outcome:
    """Runs whatever a job names: coroutines here, everything else in a thread."""
    CURRENT.set(handle)
    RUNNER.set(runner)
    try:
        return Outcome(value=await _call(handle, in_thread), stopped=handle.reason is not None)
    except Stopped:
        return Outcome(stopped=True)
    except Exception:
        log.exception("job %s failed", handle.job.id)
        return Outcome(error=traceback.format_exc())


async def _call(handle: Handle, in_thread: InThread) -> Any:
    job = handle.job
    function = job.func
    if handle.is_attempt:
        return await function(*job.args, **job.kwargs)
    with handle.interruptible():
        if not inspect.iscoroutinefunction(function):
            return await in_thread(lambda: _call_with_fresh_connection(function, job.args, job.kwargs))
        async with asyncio.timeout(job.timeout if job.timeout and job.timeout > 0 else None):
            return await function(*job.args, **job.kwargs)


def _call_with_fresh_connection(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    close_old_connections()
    try:
        return function(*args, **kwargs)
    finally:
        close_old_connections()
