"""What keeps this worker's attempts its own: leases renewed all in one statement, the heartbeat row, the watchdog."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import Error

from orchestration.engine.handles import Handle, StopReason
from orchestration.engine.writer import Writer, timed
from orchestration.services import attempts, processes
from orchestration.services.attempts import Renewal

log = logging.getLogger(__name__)

BEAT_SECONDS = 1.0
"""How often a changed number of running jobs is told: the scheduler grants by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How a worker introduces itself to the scheduler."""

    name: str
    hostname: str
    pid: int
    capacity: int
    started_at: datetime


@dataclass(slots=True)
class _Held:
    token: str
    handle: Handle
    until: float
    """By the monotonic clock; a little earlier than what the database says."""


class Leases:
    """Belongs to the event loop. ``in_use`` and ``stopping`` are asked when a heartbeat is due."""

    def __init__(
        self, profile: Profile, writer: Writer, in_use: Callable[[], int], stopping: Callable[[], bool]
    ) -> None:
        self._profile = profile
        self._writer = writer
        self._in_use = in_use
        self._stopping = stopping
        self._held: dict[int, _Held] = {}
        self._told: tuple[int, bool] | None = None
        self._told_at = 0.0

    def hold(self, attempt_id: int, token: str, handle: Handle, since: float) -> None:
        self._held[attempt_id] = _Held(token, handle, since + settings.DROVER_LEASE.total_seconds())

    def release(self, attempt_id: int) -> None:
        self._held.pop(attempt_id, None)

    async def renew_forever(self) -> None:
        while True:
            await asyncio.sleep(settings.DROVER_LEASE_RENEW.total_seconds())
            if self._held:
                await self.renew()

    async def renew(self) -> None:
        try:
            (tokens, renewal), since = await self._writer.call(timed, self._renew_now)
        except Error as error:
            log.warning("leases not renewed: %s", error)
            return
        until = since + settings.DROVER_LEASE.total_seconds()
        for attempt_id, held in list(self._held.items()):
            if attempt_id in renewal.lost:
                held.handle.stop(StopReason.LOST)
            elif attempt_id in renewal.cancel:
                held.handle.stop(StopReason.CANCELLED)
            elif attempt_id in tokens:
                held.until = until

    def _renew_now(self) -> tuple[dict[int, str], Renewal]:
        """In the writer's thread: what is held at the moment of writing, which a stalled database may put off."""
        held = list(self._held.items())
        tokens = {attempt_id: it.token for attempt_id, it in held if it.handle.reason is not StopReason.LOST}
        return tokens, attempts.renew(tokens=tokens)

    async def watch_forever(self) -> None:
        """A lease that could not be renewed in time may be somebody else's by now: its stream must not go on."""
        pause = min(0.5, settings.DROVER_LEASE.total_seconds() / 10)
        while True:
            await asyncio.sleep(pause)
            now = time.monotonic()
            for attempt_id, held in self._held.items():
                if held.until < now and held.handle.reason is not StopReason.LOST:
                    log.warning("attempt %s stops: its lease could not be renewed", attempt_id)
                    held.handle.stop(StopReason.LOST)

    async def beat_forever(self) -> None:
        """Tells every change within a second, and that the worker lives at the rhythm of the leases."""
        while True:
            await self.beat()
            await asyncio.sleep(BEAT_SECONDS)

    async def beat(self) -> None:
        now, told = time.monotonic(), (self._in_use(), self._stopping())
        longest = min(settings.DROVER_LEASE_RENEW, settings.DROVER_WORKER_STALE / 3).total_seconds()
        if told == self._told and now - self._told_at < longest:
            return
        profile, (in_use, stopping) = self._profile, told
        try:
            await self._writer.call(
                processes.worker_beat,
                name=profile.name,
                hostname=profile.hostname,
                pid=profile.pid,
                capacity=profile.capacity,
                in_use=in_use,
                stopping=stopping,
                started_at=profile.started_at,
            )
        except Error as error:
            log.warning("heartbeat not written: %s", error)
            return
        self._told, self._told_at = told, now
