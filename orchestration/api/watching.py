"""Waiting for tasks and runs to change: one question to the database for all who wait, however many they are."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from contextvars import Context
from typing import NamedTuple
from weakref import WeakKeyDictionary

from django.db import DatabaseError

from orchestration.api.threads import in_any_thread
from orchestration.models import Task
from orchestration.policy.states import ENDED, UNFINISHED, TaskStatus

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.15
_LOOKED_AT_ONCE = 500


class TaskState(NamedTuple):
    """As much of a task as tells whether there is something new to say."""

    version: int
    status: str
    attempt_id: int | None

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @property
    def running(self) -> bool:
        return self.status == TaskStatus.RUNNING


class RunState(NamedTuple):
    ended: bool


State = TaskState | RunState
Read = Callable[[list[int]], dict[int, State]]


def task_states(ids: list[int]) -> dict[int, State]:
    """Ids that are gone are left out."""
    rows = Task.objects.filter(pk__in=ids).values_list("pk", "version", "status", "attempt_id")
    return {pk: TaskState(version, status, attempt_id) for pk, version, status, attempt_id in rows}


def run_states(ids: list[int]) -> dict[int, State]:
    unfinished = Task.objects.filter(run_id__in=ids, status__in=UNFINISHED).order_by().values_list("run_id", flat=True)
    busy = set(unfinished.distinct())
    return {pk: RunState(ended=pk not in busy) for pk in ids}


class Watched:
    """What one waiter knows of its object. ``state`` is None until the first look, and when the object is gone."""

    def __init__(self, object_id: int) -> None:
        self.object_id = object_id
        self.state: State | None = None
        self.looked = False
        self._news = asyncio.Event()

    def tell(self, state: State | None) -> None:
        if state != self.state or not self.looked:
            self.state, self.looked = state, True
            self._news.set()

    async def changed(self, seconds: float) -> bool:
        """Whether there was news within that time; what happened since the last call counts."""
        # Not wait_for: in Python 3.11 it loses a cancellation that comes together with the news.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()
        told = self._news.is_set()
        self._news.clear()
        return told


class Watch:
    """Looks while somebody waits, and rests while nobody does."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._waiting: set[Watched] = set()
        self._looking: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def on(self, object_id: int) -> AsyncIterator[Watched]:
        watched = Watched(object_id)
        self._waiting.add(watched)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(), context=Context())
        try:
            yield watched
        finally:
            self._waiting.discard(watched)

    async def _look(self) -> None:
        while self._waiting:
            for some in _slices(list(self._waiting)):
                await self._look_at(some)
            await asyncio.sleep(LOOK_SECONDS)

    async def _look_at(self, some: list[Watched]) -> None:
        try:
            states = await in_any_thread(self._read, sorted({watched.object_id for watched in some}))
        except DatabaseError as error:
            log.warning("could not look after waiting requests: %s", error)
            return
        for watched in some:
            watched.tell(states.get(watched.object_id))


def _slices(waiting: list[Watched]) -> list[list[Watched]]:
    return [waiting[start : start + _LOOKED_AT_ONCE] for start in range(0, len(waiting), _LOOKED_AT_ONCE)]


_watches: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Read, Watch]] = WeakKeyDictionary()


def watch(read: Read) -> Watch:
    """This event loop's watch over what ``read`` tells."""
    own = _watches.setdefault(asyncio.get_running_loop(), {})
    return own.setdefault(read, Watch(read))


async def run_ended(run_id: int, seconds: float) -> bool:
    """Whether every task of the run ended within that time."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    async with watch(run_states).on(run_id) as watched:
        while (left := until - loop.time()) > 0:
            await watched.changed(left)
            if isinstance(watched.state, RunState) and watched.state.ended:
                return True
    return False
