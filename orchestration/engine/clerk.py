"""The thread that keeps RQ informed: ended jobs in batches, one heartbeat for all that run."""

import logging
import queue
import threading
import time
from collections.abc import Callable

import redis

from orchestration.engine.handles import Handle, Outcome
from orchestration.engine.rq_bookkeeping import Books, Ended

log = logging.getLogger(__name__)

BEAT_SECONDS = 5.0
FLUSH_SECONDS = 0.01
BATCH = 128
PAUSE_SECONDS = 0.5
ENDED_KEPT = 10_000
"""So many ended jobs wait for a Redis that is away; RQ forgets the others by itself."""


class Clerk:
    """``running`` is asked for the jobs of this moment; an ended one is no longer among them."""

    def __init__(self, books: Books, running: Callable[[], list[Handle]]) -> None:
        self._books = books
        self._running = running
        self._ended: queue.SimpleQueue[Ended | None] = queue.SimpleQueue()
        self._waiting: list[Ended] = []
        self._beat_at = 0.0
        self._away = False
        self._thread = threading.Thread(target=self._run, name="drover-clerk", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def ended(self, handle: Handle, outcome: Outcome) -> None:
        self._ended.put((handle, outcome))

    def close(self, seconds: float) -> None:
        """Tells what is still waiting to be told, if Redis is there."""
        self._ended.put(None)
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        more = True
        while more:
            more = self._collect()
            try:
                self._tell()
                self._beat_if_due()
            except redis.RedisError as error:
                self._keep(error)
                if more:
                    time.sleep(PAUSE_SECONDS)
            else:
                self._away = False

    def _collect(self) -> bool:
        """Waits for the first, then a moment for those that end with it. False when there will be no more."""
        wait = 0.0 if self._waiting else max(0.0, self._beat_at - time.monotonic())
        deadline = None
        while len(self._waiting) < BATCH:
            try:
                item = self._ended.get(timeout=wait)
            except queue.Empty:
                return True
            if item is None:
                return False
            self._waiting.append(item)
            deadline = deadline or time.monotonic() + FLUSH_SECONDS
            wait = max(0.0, deadline - time.monotonic())
        return True

    def _tell(self) -> None:
        if self._waiting:
            running = self._running()
            self._books.close(self._waiting, running[-1].job.id if running else None)
            self._waiting = []

    def _beat_if_due(self) -> None:
        if time.monotonic() >= self._beat_at:
            self._books.beat(self._running())
            self._books.maintain_if_due()
            self._beat_at = time.monotonic() + BEAT_SECONDS

    def _keep(self, error: redis.RedisError) -> None:
        if not self._away:
            log.warning("RQ's records are not up to date, Redis is away: %s", error)
        self._away = True
        del self._waiting[:-ENDED_KEPT]
