"""Following a run to its end: what is asked again and again, and which tasks' text is read along."""

import asyncio
from typing import Any, Protocol

import httpx

from orchestration.cli.client import Client
from orchestration.cli.failures import Refused, Unreachable
from orchestration.cli.streaming import PATIENCE_SECONDS, Feed

Json = dict[str, Any]
ENDED = ("completed", "failed", "cancelled")
LOOK_SECONDS = 0.5
REDRAWS = 5
LARGE = 200
"""A run with more tasks is followed by its numbers, its outputs are for ``drover export``."""
FEEDS_MOST = 4


class View(Protocol):
    """Where a run is shown while it goes on."""

    wants_text: bool

    def look(self, run: Json, tasks: list[Json], feeds: dict[int, Feed]) -> None: ...

    def redraw(self) -> None: ...

    def lost(self, words: str) -> None: ...


class Follower:
    """Looks at a run until it has ended. A lost connection is tried again for a minute."""

    def __init__(self, client: Client, run_id: int, view: View) -> None:
        self._client = client
        self._run_id = run_id
        self._view = view
        self._is_small = False
        self._feeds: dict[int, Feed] = {}
        self._readers: dict[int, asyncio.Task[None]] = {}

    async def until_end(self) -> Json:
        async with self._client.asynchronous() as connection:
            try:
                while True:
                    run, tasks = await self._patiently(connection)
                    self._read_along(connection, tasks)
                    self._view.look(run, tasks, self._feeds)
                    if run["status"] in ENDED:
                        return run
                    await self._redraw()
            finally:
                for reader in self._readers.values():
                    reader.cancel()
                await asyncio.gather(*self._readers.values(), return_exceptions=True)

    async def _redraw(self) -> None:
        """Until the next look; the text of those that run comes in meanwhile."""
        for _ in range(REDRAWS):
            await asyncio.sleep(LOOK_SECONDS / REDRAWS)
            self._view.redraw()

    async def _patiently(self, connection: httpx.AsyncClient) -> tuple[Json, list[Json]]:
        now = asyncio.get_running_loop().time
        ends = now() + PATIENCE_SECONDS
        while True:
            try:
                return await self._look(connection)
            except Unreachable as error:
                if now() > ends:
                    raise
                self._view.lost(error.message)
                await asyncio.sleep(1)

    async def _look(self, connection: httpx.AsyncClient) -> tuple[Json, list[Json]]:
        """All tasks of a small run, those that run now of a large one."""
        path = f"runs/{self._run_id}"
        run: Json = await self._client.read(connection, path, tasks=self._is_small)
        if sum(run["counts"].values()) > LARGE:
            self._is_small = False
            page = await self._client.read(connection, "tasks", run=self._run_id, status="running", limit=8)
            return run, page["tasks"]
        if not self._is_small:
            self._is_small = True
            run = await self._client.read(connection, path)
        return run, run["tasks"]

    def _read_along(self, connection: httpx.AsyncClient, tasks: list[Json]) -> None:
        """Opens the streams of tasks that run, a few at once, and forgets those that do not."""
        if not self._view.wants_text:
            return
        running = [task["id"] for task in tasks if task["status"] == "running"]
        for task_id in self._feeds.keys() - set(running):
            del self._feeds[task_id]
        self._readers = {task_id: reader for task_id, reader in self._readers.items() if not reader.done()}
        for task_id in running:
            feed = self._feeds.setdefault(task_id, Feed())
            if not feed.ended and task_id not in self._readers and len(self._readers) < FEEDS_MOST:
                self._readers[task_id] = asyncio.create_task(self._read(connection, task_id, feed))

    async def _read(self, connection: httpx.AsyncClient, task_id: int, feed: Feed) -> None:
        """A broken stream is no matter: the next look opens it again, or the task is over."""
        try:
            async for told in self._client.lines(connection, f"tasks/{task_id}/stream"):
                feed.take(told)
        except (Unreachable, Refused):
            return


def follow(client: Client, run_id: int, view: View) -> Json:
    try:
        return asyncio.run(Follower(client, run_id, view).until_end())
    except KeyboardInterrupt:
        words = f"Run {run_id} goes on. See it: drover watch --run {run_id}   End it: drover cancel --run {run_id}"
        raise KeyboardInterrupt(words) from None
