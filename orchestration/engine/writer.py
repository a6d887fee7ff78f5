"""The one thread of a worker that writes to the database, many calls to a commit.

Whatever was asked for while the last transaction ran goes into the next one: there is no timer, so an idle worker adds
no delay. Each call has a savepoint of its own and is a call of an ordinary service; what is asked of a service that
takes many things is one call of it.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

from django.db import Error, InterfaceError, OperationalError, connection, transaction

from orchestration import events
from orchestration.queries import facts

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")
Item = TypeVar("Item")

_AWAY = (OperationalError, InterfaceError)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0
_ALONE_AT_MOST = 5
"""So often a call is tried by itself while the database does answer: then the fault is its own."""


class WriterClosed(Exception):
    """The worker ends and the database did not take this write in time."""


class _Call:
    """For one item of a service; calls of the same service may become one."""

    __slots__ = ("error", "future", "item", "loop", "result", "service")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, service: Callable[[Sequence[Any]], Sequence[Any]], item: Any
    ) -> None:
        self.loop = loop
        self.service = service
        self.item = item
        self.future: asyncio.Future[Any] = loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None

    def settle(self) -> None:
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Writer:
    def __init__(self, group_limit: int = 100) -> None:
        self._group_limit = group_limit
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._give_up = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="drover-writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self, seconds: float) -> None:
        """Writes what is waiting; what the database does not take within this time is given up."""
        self._calls.put(None)
        self._thread.join(seconds)
        self._give_up.set()
        self._thread.join(1)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    async def call(self, service: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """The service's result or exception, after the commit."""
        return await self.add(lambda _: [service(*args, **kwargs)], None)

    async def add(self, service: Callable[[Sequence[Item]], Sequence[T]], item: Item, /) -> T:
        """The same for one item of a service that takes many: those of one commit are handed to it together. When it
        raises, each is tried by itself, so that only the one at fault fails."""
        call = _Call(asyncio.get_running_loop(), service, item)
        self._calls.put(call)
        if self._ended:
            self._refuse_rest()
        result: T = await call.future
        return result

    def _run(self) -> None:
        try:
            while group := self._next_group():
                self._commit(group)
                _settle(group)  # those that no commit has settled
        finally:
            connection.close()
            self._ended = True
            self._refuse_rest()

    def _refuse_rest(self) -> None:
        with suppress(queue.Empty):
            while True:
                if call := self._calls.get_nowait():
                    call.error = WriterClosed("the worker has ended")
                    _settle([call])

    def _next_group(self) -> list[_Call]:
        """Waits for the first call, takes the others that are there. Empty at the end."""
        group: list[_Call] = []
        call = self._calls.get()
        while call is not None:
            if not call.future.cancelled():
                group.append(call)
            try:
                if len(group) >= self._group_limit:
                    return group
                call = self._calls.get(block=not group)
            except queue.Empty:
                return group
        if group:
            self._calls.put(None)
        return group

    def _commit(self, group: list[_Call]) -> None:
        try:
            _transact(group)
        except Error as error:
            log.warning("a group of %d writes failed, trying them one by one: %s", len(group), error)
            if isinstance(error, _AWAY):
                connection.close()
            for call in group:
                self._alone(call)

    def _alone(self, call: _Call) -> None:
        pause, failures = _FIRST_PAUSE, 0
        while True:
            try:
                return _transact([call])
            except _AWAY as error:
                call.error = error
                failures += _answers()
            except Error as error:
                call.error = error
                return None
            if failures >= _ALONE_AT_MOST:
                return None
            if self._give_up.wait(pause):
                call.error = WriterClosed("the database did not answer while the worker ended")
                return None
            pause = min(2 * pause, _LONGEST_PAUSE)


def _transact(group: list[_Call]) -> None:
    """Whoever waits for a call goes on when it is committed, before whoever watches is told."""
    with events.together(), facts.shared(), transaction.atomic():
        transaction.on_commit(lambda: _settle(group))
        for calls in _by_service(group):
            _run(calls)


def _by_service(group: list[_Call]) -> Iterable[list[_Call]]:
    found: dict[Callable[..., Any], list[_Call]] = {}
    for call in group:
        found.setdefault(call.service, []).append(call)
    return found.values()


def _run(calls: list[_Call]) -> None:
    try:
        with transaction.atomic():
            results = calls[0].service([call.item for call in calls])
        for call, result in zip(calls, results, strict=True):
            call.error, call.result = None, result
    except _AWAY:
        raise  # the connection is gone, and with it what the others wrote
    except Exception as error:  # not handled here: the caller gets it
        if len(calls) == 1:
            calls[0].error = error
        else:
            for call in calls:
                _run([call])


def _answers() -> bool:
    """Whether the database can be reached now, through a new connection."""
    try:
        connection.close()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return False
    return True


def _settle(group: Iterable[_Call]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[_Call]] = {}
    for call in group:
        by_loop.setdefault(call.loop, []).append(call)
    for loop, calls in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle_all, calls)


def _settle_all(calls: list[_Call]) -> None:
    for call in calls:
        call.settle()


def timed(service: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> tuple[T, float]:
    """The result, and when the service began by the monotonic clock: from then on a lease counts."""
    began = time.monotonic()
    return service(*args, **kwargs), began
