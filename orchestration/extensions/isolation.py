"""Code of others, run where it can neither block nor end what runs beside it: in a thread of its own.

Whatever it does wrong becomes an ExtensionFailed. It may raise the errors of Drover's own tree on purpose.
"""

import asyncio
import inspect
import logging
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Generic, TypeVar

from orchestration.errors import DroverError, ExtensionFailed
from orchestration.policy.storing import storable

log = logging.getLogger(__name__)

T = TypeVar("T")

GRACE_SECONDS = 5.0
"""So long code that was told to stop may tidy up; then it is left behind in its thread."""
STUCK_AT_MOST = 4
"""With so many threads left behind an extension is not run again until one of them ends."""
_LONGEST_WORDS = 500

_stuck: list[tuple[str, threading.Thread]] = []


def left_behind(what: str = "") -> int:
    """Threads of code that did not stop when told to."""
    _stuck[:] = [(whose, thread) for whose, thread in _stuck if thread.is_alive()]
    return sum(1 for whose, _ in _stuck if what in ("", whose))


def within(seconds: float, function: Callable[[], T], *, what: str) -> T:
    """The function's result, or ExtensionFailed when it does not come in time. ``what`` is named in the error."""
    _check_room(what)
    outcome: Future[T] = Future()
    thread = threading.Thread(target=_settle, args=(outcome, function, what), name=f"drover: {what}", daemon=True)
    thread.start()
    try:
        return outcome.result(seconds)
    except TimeoutError as error:
        if outcome.done():
            raise
        _leave(what, thread)
        raise ExtensionFailed(f"{what} did not answer within {seconds:g} s.") from error


async def apart(
    work: Callable[[], Awaitable[T]],
    *,
    what: str,
    on_stop: Callable[[], None] = lambda: None,
    grace: float | None = None,
) -> T:
    """The coroutine's result, from a thread and event loop of its own. When this is cancelled, so is the coroutine,
    after ``on_stop``; who does not obey is left behind."""
    _check_room(what)
    outcome: Future[T] = Future()
    thread = _Thread(outcome, work, what)
    ended = asyncio.wrap_future(outcome)
    thread.start()
    try:
        await asyncio.wait([ended])
    except asyncio.CancelledError:
        on_stop()
        thread.cancel()
        await asyncio.wait([ended], timeout=GRACE_SECONDS if grace is None else grace)
        if not ended.done():
            _leave(what, thread)
        ended.add_done_callback(lambda future: future.cancelled() or future.exception())
        raise
    return ended.result()


async def called(function: Callable[..., Any], *arguments: Any) -> Any:
    """Of a function or a coroutine function."""
    result = function(*arguments)
    return await result if inspect.isawaitable(result) else result


class _Thread(threading.Thread, Generic[T]):
    def __init__(self, outcome: "Future[T]", work: Callable[[], Awaitable[T]], what: str) -> None:
        super().__init__(name=f"drover: {what}", daemon=True)
        self._outcome = outcome
        self._work = work
        self._what = what
        self._cancelled = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None

    def run(self) -> None:
        _settle(self._outcome, lambda: asyncio.run(self._main()), self._what)

    def cancel(self) -> None:
        self._cancelled = True
        if self._loop is not None and self._task is not None:
            with suppress(RuntimeError):  # it has just ended
                self._loop.call_soon_threadsafe(self._task.cancel)

    async def _main(self) -> T:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        if self._cancelled:
            raise asyncio.CancelledError
        return await self._work()


def _settle(outcome: "Future[T]", function: Callable[[], T], what: str) -> None:
    """Anything may be raised in there, SystemExit too; whoever waits gets to know."""
    try:
        result = function()
    except BaseException as error:
        outcome.set_exception(_translated(error, what))
    else:
        outcome.set_result(result)


def _translated(error: BaseException, what: str) -> BaseException:
    if isinstance(error, DroverError):
        error.message = storable(error.message)
        return error
    if isinstance(error, asyncio.CancelledError):
        return ExtensionFailed(f"{what} stopped itself.")
    log.error("%s failed", what, exc_info=error)
    words = storable(f"{what} failed: {type(error).__name__}: {_said(error)}")
    failure = ExtensionFailed(words if len(words) <= _LONGEST_WORDS else f"{words[:_LONGEST_WORDS]}…")
    failure.__cause__ = error
    return failure


def _said(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "it cannot say what"


def _check_room(what: str) -> None:
    if left_behind(what) >= STUCK_AT_MOST:
        raise ExtensionFailed(f"{what} is not run: {STUCK_AT_MOST} earlier runs of it still hang.")


def _leave(what: str, thread: threading.Thread) -> None:
    log.warning("%s does not stop, its thread is left behind", what)
    _stuck.append((what, thread))
