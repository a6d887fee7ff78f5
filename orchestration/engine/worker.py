"""The RQ worker that runs hundreds of attempts in one process: it claims, the loop in streams.py works.

Correctness rests on tokens and leases in the database; a job lost on the way here is an attempt whose lease ends.
"""

import json
import logging
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import Any

import redis
from django.conf import settings
from django.utils import timezone
from redis.backoff import NoBackoff
from redis.client import PubSub, PubSubWorkerThread
from redis.retry import Retry
from rq import Queue
from rq.serializers import JSONSerializer
from rq.suspension import WORKERS_SUSPENDED
from rq.utils import as_text, now
from rq.worker import BaseWorker, DequeueStrategy, WorkerStatus

from orchestration.engine.clerk import Clerk
from orchestration.engine.handles import Handle, StopReason
from orchestration.engine.leases import Profile
from orchestration.engine.rq_bookkeeping import Books
from orchestration.engine.streams import Streams
from orchestration.extensions import isolation
from orchestration.queue import QUEUES

log = logging.getLogger(__name__)

WORKER_TTL = 30
MAINTENANCE_SECONDS = 10
BLOCK_SECONDS = 1
BATCH = 128
LONGEST_PAUSE_SECONDS = 2.0
GIVE_BACK_SECONDS = 10.0


class StreamWorker(BaseWorker):
    """Shows up and obeys like any worker of RQ, but never forks and never raises from a signal handler."""

    def __init__(
        self,
        queues: str | Queue | Sequence[str] | Sequence[Queue],
        name: str | None = None,
        *args: Any,
        capacity: int | None = None,
        **kwargs: Any,
    ) -> None:
        defaults = {"worker_ttl": WORKER_TTL, "maintenance_interval": MAINTENANCE_SECONDS, "serializer": JSONSerializer}
        super().__init__(queues, name, *args, **{**defaults, **kwargs})
        self.capacity = capacity or settings.DROVER_WORKER_CAPACITY
        self.hurried = False
        self.ended_in_order = True
        self._done = 0
        self._suspended = False
        self._suspension_due = 0.0
        self._streams: Streams
        self._books: Books
        self._clerk: Clerk

    @classmethod
    def create(cls, name: str | None = None, capacity: int | None = None) -> "StreamWorker":
        """Listens to all queues. Does not need Redis to be there yet."""
        connection = redis.Redis.from_url(
            settings.REDIS_URL,
            max_connections=64,
            socket_connect_timeout=2,
            socket_timeout=10,
            retry=Retry(NoBackoff(), 1),
        )
        host = socket.gethostname()
        name = name or f"{host}-{os.getpid()}-{secrets.token_hex(2)}"
        worker = cls(list(QUEUES), name, connection=connection, capacity=capacity, prepare_for_work=False)
        worker.hostname, worker.pid = host, os.getpid()
        return worker

    @property
    def dequeue_timeout(self) -> int:
        return BLOCK_SECONDS

    def work(
        self,
        burst: bool = False,
        logging_level: str | None = None,
        date_format: str = "",
        log_format: str = "",
        max_jobs: int | None = None,
        max_idle_time: int | None = None,
        with_scheduler: bool = False,
        dequeue_strategy: DequeueStrategy = DequeueStrategy.DEFAULT,
    ) -> bool:
        """Until told to stop; with ``burst`` until there is nothing more to do. True if a job was done."""
        self._install_signal_handlers()
        self._prepare()
        self._streams.start()
        if self._register():
            self._clerk.start()
            try:
                self._claim_until_stopped(burst, max_jobs)
            finally:
                self._drain()
            self.ended_in_order = self.healthy
        self._leave()
        return self._done > 0

    @property
    def left_behind(self) -> bool:
        """True when an ordinary job or an extension still occupies a thread, which Python would wait for."""
        return self._streams.busy_threads > 0 or isolation.left_behind() > 0

    @property
    def healthy(self) -> bool:
        """False when one of its threads has died: the process must be replaced."""
        return self._streams.alive and self._clerk.alive

    def _prepare(self) -> None:
        self.log.setLevel(logging.WARNING)  # RQ raises it to INFO and then tells of every look at its registries
        self.birth_date = self.last_heartbeat = now()
        self._books = Books(self)
        profile = Profile(
            name=self.name,
            hostname=self.hostname or socket.gethostname(),
            pid=self.pid or os.getpid(),
            capacity=self.capacity,
            started_at=timezone.now(),
        )
        self._streams = Streams(profile, lambda handle, outcome: self._clerk.ended(handle, outcome))
        self._clerk = Clerk(self._books, self._streams.running)

    def _register(self) -> bool:
        """Waits for Redis; False when told to stop before it came."""
        pause, told = 0.1, False
        while not self._stop_requested:
            try:
                self._books.beat(())
                self.set_state(WorkerStatus.IDLE)
                self._books.subscribe()
            except redis.RedisError as error:
                log.log(logging.DEBUG if told else logging.WARNING, "worker %s waits for Redis: %s", self.name, error)
                told = True
                self._sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            else:
                log.info("worker %s takes up to %d jobs at once", self.name, self.capacity)
                return True
        return False

    def _claim_until_stopped(self, burst: bool, max_jobs: int | None) -> None:
        pause = 0.0
        while not self._stop_requested and self.healthy:
            free = self.capacity - self._streams.count
            if free <= 0:
                self._streams.wait_for_end(0.5)
                continue
            try:
                claimed = self._claim(free)
            except redis.RedisError as error:
                if not pause:
                    log.warning("worker %s takes no jobs, Redis is away: %s", self.name, error)
                pause = min(max(0.1, 2 * pause), LONGEST_PAUSE_SECONDS)
                self._sleep(pause)
                continue
            pause = 0.0
            self._done += claimed
            if (burst and not claimed and not self._streams.count) or (max_jobs and self._done >= max_jobs):
                break

    def _claim(self, free: int) -> int:
        """Blocks for the first id, then takes what else is there, the most urgent queue first."""
        if self._is_suspended():
            self._sleep(BLOCK_SECONDS)
            return 0
        keys = [queue.key for queue in self.queues]
        first = self.connection.blpop(keys, BLOCK_SECONDS)
        if first is None:
            return 0
        job_ids = [as_text(first[1]), *self._claim_more(keys, min(free, BATCH) - 1)]
        handles = [handle for handle in map(Handle, self._books.fetch(job_ids)) if self._streams.claim(handle)]
        try:
            self._books.open(handles)
        finally:
            self._streams.begin(handles)
        return len(job_ids)

    def _claim_more(self, keys: Sequence[str], room: int) -> list[str]:
        found: list[str] = []
        for key in keys:
            if room > len(found):
                more: Any = self.connection.lpop(key, room - len(found))
                found += map(as_text, more or ())
        return found

    def _is_suspended(self) -> bool:
        """By ``rq suspend``; asked once a second."""
        if time.monotonic() >= self._suspension_due:
            self._suspended = bool(self.connection.exists(WORKERS_SUSPENDED))
            self._suspension_due = time.monotonic() + 1
        return self._suspended

    def _drain(self) -> None:
        """Lets streams end for the time of grace, then gives back what is left."""
        self._streams.announce_stopping()
        grace = settings.DROVER_WORKER_GRACE.total_seconds()
        if self._streams.count:
            log.info("worker %s stops, %d jobs may go on for %g s", self.name, self._streams.count, grace)
        if not self._streams.wait_until_empty(time.monotonic() + grace, lambda: self.hurried):
            self._streams.stop_all(StopReason.SHUTDOWN)
            self._streams.wait_until_empty(time.monotonic() + GIVE_BACK_SECONDS)

    def _leave(self) -> None:
        self._clerk.close(5.0)
        self._streams.close()
        for farewell in (self._books.register_death, self._books.unsubscribe):
            with suppress(redis.RedisError):
                farewell()
        self.connection.close()
        log.info("worker %s has ended", self.name)

    def _sleep(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self._stop_requested and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))

    def _install_signal_handlers(self) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self.request_stop)
            signal.signal(signal.SIGTERM, self.request_stop)

    def request_stop(self, signum: int | None = None, frame: FrameType | None = None) -> None:
        """Sets flags and nothing else. Asked a second time, later than a doubled signal arrives, it hurries."""
        if self._shutdown_requested_date and (now() - self._shutdown_requested_date).total_seconds() > 1:
            self.hurried = True
        self._shutdown_requested_date = self._shutdown_requested_date or now()
        self._stop_requested = True

    def handle_payload(self, message: dict[str, Any]) -> None:
        """Commands of RQ: one of the running jobs is stopped, or the worker itself."""
        payload = json.loads(message["data"])
        match payload.get("command"):
            case "stop-job":
                job_id = str(payload.get("job_id"))
                if not self._streams.stop(job_id, StopReason.CANCELLED):
                    log.debug("job %s is not here, nothing to stop", job_id)
            case "shutdown":
                self.request_stop()
            case other:
                log.debug("command %r does not concern this worker", other)

    def _pubsub_exception_handler(self, exc: Exception, pubsub: PubSub, pubsub_thread: PubSubWorkerThread) -> None:
        """Whatever happened, the thread goes on: redis-py connects and subscribes anew by itself."""
        if not isinstance(exc, redis.RedisError):
            log.error("a command could not be read", exc_info=exc)
        time.sleep(0.5)


def run_worker(capacity: int | None = None) -> int:
    """Works until told to stop. The exit status: 0 when it ended in order."""
    worker = StreamWorker.create(capacity=capacity)
    worker.work()
    status = 0 if worker.ended_in_order else 1
    if worker.left_behind:
        logging.shutdown()
        os._exit(status)
    return status
