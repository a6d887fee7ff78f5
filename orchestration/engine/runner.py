"""One attempt from its start to its end, and the only place where every exception is caught.

Whatever a model, a node or our own code does wrong ends one job, is logged, and leaves the others alone.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextvars import ContextVar

from django.db import InterfaceError, OperationalError

from orchestration.engine import embeddings, errands, handlers, hooks, texts
from orchestration.engine.checker import Checker
from orchestration.engine.clients import new_client
from orchestration.engine.feeds import Feed
from orchestration.engine.frames import Frames
from orchestration.engine.handles import CURRENT, Handle, Stopped, StopReason
from orchestration.engine.leases import Leases
from orchestration.engine.talks import Talk
from orchestration.engine.writer import Writer, WriterClosed, timed
from orchestration.errors import DroverError, InternalError, TimedOut
from orchestration.ollama.client import OllamaClient
from orchestration.policy.errands import doing, is_errand
from orchestration.policy.states import ErrandType, Phase, TaskType
from orchestration.services import attempts, setbacks
from orchestration.services.attempts import AttemptResult, Success
from orchestration.services.work import AttemptWork

log = logging.getLogger(__name__)

RUNNER: ContextVar["Runner"] = ContextVar("drover_runner")
"""Of the worker that the running coroutine belongs to."""


class Clients:
    """One client, and so one pool of connections, for each node."""

    def __init__(self) -> None:
        self._clients: dict[tuple[str, bool, str], OllamaClient] = {}

    def of(self, work: AttemptWork) -> OllamaClient:
        key = (work.base_url, work.verify_tls, work.headers)
        if key not in self._clients:
            self._clients[key] = new_client(work.base_url, verify_tls=work.verify_tls, headers=work.headers)
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
        self._checker = Checker()

    async def aclose(self) -> None:
        await self._clients.aclose()
        await self._checker.aclose()

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
        handle.resumes = work.type == ErrandType.PULL
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
        limit = work.options.get("num_predict") if work.type in (TaskType.GENERATE, TaskType.CHAT) else None
        feed = self._frames.open(
            attempt_id=work.attempt_id,
            task_id=work.task_id,
            node=work.node_name,
            model=work.model,
            limit=limit if isinstance(limit, int) else 0,
        )
        if is_errand(work.type):
            feed.enter(Phase.WORKING, f"{doing(work.type)} {work.model} on {work.node_name}")
        elif work.model_loaded:
            feed.enter(Phase.PREFILL, "reading the prompt")
        else:
            feed.enter(Phase.LOADING, f"loading {work.model} on {work.node_name}")
        return feed

    async def _run(self, work: AttemptWork, feed: Feed, handle: Handle) -> str:
        """The word for how it ended, once that is written."""
        talk = Talk(work, feed)
        try:
            with handle.interruptible():
                talk.client = self._clients.of(work)
                result = await self._ask(talk)
            return await self._write_success(work, result)
        except Stopped as stop:
            return await self._write_stop(stop.reason, work.attempt_id, work.token, talk.output, talk.thinking)
        except DroverError as error:
            return await self._write_failure(talk, error)
        except Exception as error:
            log.exception("attempt %s of task %s failed inside Drover", work.attempt_id, work.task_id)
            return await self._write_failure(talk, _our_fault(error))

    async def _ask(self, talk: Talk) -> AttemptResult:
        if is_errand(talk.work.type):  # the model's time limit is for its answers
            return await errands.performed(talk, self._writer)
        limit = talk.work.timeout.total_seconds() if talk.work.timeout else None
        try:
            async with asyncio.timeout(limit) as watch:
                if talk.work.extension:
                    return await hooks.around(talk, lambda: self._answer(talk))
                return await self._answer(talk)
        except TimeoutError as error:
            if not watch.expired():
                raise
            raise TimedOut(f"It took longer than the {limit:g} s it may take.", limit_seconds=limit) from error

    async def _answer(self, talk: Talk) -> AttemptResult:
        match talk.work.type:
            case TaskType.GENERATE | TaskType.CHAT:
                return await texts.answered(talk, self._checker)
            case TaskType.EMBED:
                return await embeddings.embedded(talk, self._writer)
        return await handlers.handled(talk, self._writer, self._checker)

    async def _write_success(self, work: AttemptWork, result: AttemptResult) -> str:
        mine = await self._writer.add(attempts.complete_many, Success(work.attempt_id, work.token, result))
        return "completed" if mine else "lost"

    async def _write_failure(self, talk: Talk, error: DroverError) -> str:
        mine = await self._writer.call(
            setbacks.fail,
            attempt_id=talk.work.attempt_id,
            token=talk.work.token,
            error=error,
            output=talk.output,
            thinking=talk.thinking,
            request=talk.request,
            origins=talk.origins,
            first_token_at=talk.feed.first_token_at,
            metrics=talk.metrics,
        )
        return "failed" if mine else "lost"

    async def _write_stop(self, reason: StopReason, attempt_id: int, token: str, output: str, thinking: str) -> str:
        match reason:
            case StopReason.CANCELLED:
                mine = await self._writer.call(
                    attempts.cancelled,
                    attempt_id=attempt_id,
                    token=token,
                    output=output,
                    thinking=thinking,
                )
                return "cancelled" if mine else "lost"
            case StopReason.SHUTDOWN:
                words = f"the worker {self._worker} was stopped"
                await self._writer.call(setbacks.give_back, attempt_id=attempt_id, token=token, reason=words)
        return "lost"


def _our_fault(error: Exception) -> InternalError:
    return InternalError(f"A fault inside Drover ({type(error).__name__}); the worker's log has the details.")
