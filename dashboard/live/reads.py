"""How the live view asks the database: off the event loop, in few threads, and once for all who want the same now."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.db import close_old_connections

Result = TypeVar("Result")

_THREADS = ThreadPoolExecutor(4, "drover-live")
"""Not the one thread that Django's async code shares: a slow snapshot must not hold up requests, nor the others."""


async def read(function: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
    def with_connection() -> Result:
        close_old_connections()
        try:
            return function(*args, **kwargs)
        finally:
            close_old_connections()

    return await sync_to_async(with_connection, thread_sensitive=False, executor=_THREADS)()


@dataclass(slots=True)
class _Running:
    began: float
    task: asyncio.Task[Any]


class SharedReads:
    """Reads that several sockets want at the same moment."""

    def __init__(self) -> None:
        self._running: dict[str, _Running] = {}

    async def get(self, key: str, since: float, function: Callable[..., Result], *args: Any) -> Result:
        """Joins a read of this key if it began no earlier than ``since`` (of the loop's clock)."""
        loop = asyncio.get_running_loop()
        running = self._running.get(key)
        if running is None or running.began < since:
            running = _Running(loop.time(), loop.create_task(read(function, *args), name=f"read {key}"))
            self._running[key] = running
            running.task.add_done_callback(lambda task: self._forget(key, task))
        result: Result = await asyncio.shield(running.task)
        return result

    def _forget(self, key: str, task: asyncio.Task[Any]) -> None:
        running = self._running.get(key)  # a later read may have taken its place, and have ended before it
        if running is not None and running.task is task:
            del self._running[key]
