"""One claimed job while this process has it, and the one way to stop it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from rq.executions import Execution
from rq.job import Job

from orchestration.queue import RUN_ATTEMPT


class StopReason(IntEnum):
    """Why a job is stopped before its end; of two reasons the greater one counts."""

    SHUTDOWN = 1  # this worker ends: give the work back
    CANCELLED = 2  # somebody asked for it
    LOST = 3  # not ours any more: write nothing


class Stopped(Exception):
    """Raised inside ``Handle.interruptible`` when the job is to stop."""

    def __init__(self, reason: StopReason) -> None:
        super().__init__(reason.name.lower())
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What RQ is told about a job that has ended. ``error``: a traceback, when it failed."""

    value: Any = None
    error: str = ""
    stopped: bool = False


class Handle:
    """Belongs to the event loop: only ``reason`` may be read from other threads."""

    __slots__ = ("_open", "_task", "execution", "job", "reason", "resumes")

    def __init__(self, job: Job) -> None:
        self.job = job
        self.execution: Execution | None = None
        self.reason: StopReason | None = None
        self.resumes = False
        """It goes on elsewhere where it was: when this worker ends, nobody need wait for it."""
        self._task: asyncio.Task[Any] | None = None
        self._open = False

    @property
    def is_attempt(self) -> bool:
        return bool(self.job.func_name == RUN_ATTEMPT)

    def stop(self, reason: StopReason) -> None:
        """At once when the job is in an interruptible part, else when it comes to one."""
        self.reason = max(reason, self.reason or reason)
        if self._open and self._task is not None:
            self._open = False
            self._task.cancel()

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Only in here a stop may strike, so that what has to be written at the end is written whole."""
        if self.reason is not None:
            raise Stopped(self.reason)
        self._task, self._open = asyncio.current_task(), True
        try:
            yield
        except asyncio.CancelledError:
            reason = self._asked_to_stop()
            if reason is None or self._task is None:
                raise
            self._task.uncancel()
            raise Stopped(reason) from None
        finally:
            self._open = False
            self._task = None

    def _asked_to_stop(self) -> StopReason | None:
        return self.reason


CURRENT: ContextVar[Handle] = ContextVar("drover_job")
"""The job that the running coroutine belongs to."""
