"""The event loop of a worker, in a thread of its own, with everything that lives in it."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from orchestration.engine.frames import Frames
from orchestration.engine.handles import Handle, Outcome, StopReason
from orchestration.engine.leases import Leases, Profile
from orchestration.engine.performing import perform
from orchestration.engine.runner import Runner
from orchestration.engine.writer import Writer
from orchestration.services import processes

log = logging.getLogger(__name__)

SYNC_THREADS = 4
CLOSING_SECONDS = 10.0


class Streams:
    """Knows the jobs of this process. ``begin``, ``stop`` and ``close`` may be called from any thread."""

    def __init__(self, profile: Profile, on_end: Callable[[Handle, Outcome], None]) -> None:
        self._profile = profile
        self._on_end = on_end
        self._running: dict[str, Handle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._changed = threading.Condition()
        self._stopping = False
        self.busy_threads = 0
        self._closing = asyncio.Event()
        self._ready = threading.Event()
        self._runner: Runner
        self._leases: Leases
        self._writer = Writer()
        self._threads = ThreadPoolExecutor(SYNC_THREADS, "drover-job")
        self._thread = threading.Thread(target=self._main, name="drover-streams", daemon=True)

    def start(self) -> None:
        self._writer.start()
        self._thread.start()
        self._ready.wait(CLOSING_SECONDS)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive() and self._writer.alive

    def running(self) -> list[Handle]:
        return list(self._running.values())

    @property
    def count(self) -> int:
        return len(self._running)

    def wait_for_end(self, seconds: float) -> None:
        """Until some job ends, or for this long."""
        with self._changed:
            self._changed.wait(seconds)

    def wait_until_empty(self, deadline: float, give_up: Callable[[], bool] = lambda: False) -> bool:
        while self._running and time.monotonic() < deadline and not give_up() and self.alive:
            self.wait_for_end(0.1)
        return not self._running

    def claim(self, handle: Handle) -> bool:
        """From here on a stop reaches the job. False for a second delivery of one that is here already."""
        return self._running.setdefault(handle.job.id, handle) is handle

    def begin(self, handles: Iterable[Handle]) -> None:
        self._loop.call_soon_threadsafe(self._begin, list(handles))

    def stop(self, job_id: str, reason: StopReason) -> bool:
        """False when there is no such job here."""
        handle = self._running.get(job_id)
        if handle is not None:
            self._loop.call_soon_threadsafe(handle.stop, reason)
        return handle is not None

    def stop_all(self, reason: StopReason) -> None:
        for handle in self.running():
            self._loop.call_soon_threadsafe(handle.stop, reason)

    def announce_stopping(self) -> None:
        """The scheduler grants nothing more to this worker, and what can go on elsewhere does so at once."""
        self._stopping = True
        asyncio.run_coroutine_threadsafe(self._hand_over(), self._loop)

    async def _hand_over(self) -> None:
        """The scheduler is told first: else it would grant the same work to this worker again."""
        await self._leases.beat()
        for handle in self.running():
            if handle.resumes:
                handle.stop(StopReason.SHUTDOWN)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(CLOSING_SECONDS)
        self._writer.close(CLOSING_SECONDS)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _main(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        profile, writer = self._profile, self._writer
        frames = Frames(profile.name)
        leases = self._leases = Leases(profile, writer, in_use=lambda: self.count, stopping=lambda: self._stopping)
        self._runner = Runner(worker=profile.name, writer=writer, frames=frames, leases=leases)
        self._ready.set()
        keepers = (frames.run, leases.renew_forever, leases.watch_forever, leases.beat_forever)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(keeper()) for keeper in keepers]
            await self._closing.wait()
            for task in tasks:
                task.cancel()
        await self._abandon()
        await frames.close()
        await self._runner.aclose()
        await writer.call(processes.worker_gone, name=profile.name)

    async def _abandon(self) -> None:
        """What did not end in time: its lease will."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, handles: list[Handle]) -> None:
        for handle in handles:
            task = self._loop.create_task(self._perform(handle))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _perform(self, handle: Handle) -> None:
        outcome = await perform(handle, self._runner, self._in_thread)
        del self._running[handle.job.id]
        self._on_end(handle, outcome)
        with self._changed:
            self._changed.notify_all()

    def _in_thread(self, call: Callable[[], Any]) -> "asyncio.Future[Any]":
        return self._loop.run_in_executor(self._threads, self._counted, call)

    def _counted(self, call: Callable[[], Any]) -> Any:
        with self._changed:
            self.busy_threads += 1
        try:
            return call()
        finally:
            with self._changed:
                self.busy_threads -= 1
