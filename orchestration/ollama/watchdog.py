"""A deadline for the waits of one call that costs next to nothing per wait."""

import asyncio
from types import TracebackType


class Watchdog:
    """``with watchdog:`` around an await raises TimeoutError once ``deadline`` has passed.

    asyncio.timeout makes and cancels a timer for each wait; this keeps one per call and moves it only when it goes off.
    """

    __slots__ = ("_cancelling", "_expired", "_loop", "_task", "_timer", "deadline")

    def __init__(self, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[object] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._cancelling = 0
        self._expired = False
        self.deadline = 0.0
        self.allow(seconds)

    def allow(self, seconds: float) -> None:
        self.deadline = self._loop.time() + seconds

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def __enter__(self) -> None:
        self._task = task = asyncio.current_task()
        if task is not None:
            self._cancelling = task.cancelling()
        if self._timer is None or self.deadline < self._timer.when():
            self.close()
            self._timer = self._loop.call_at(self.deadline, self._bark)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if not self._expired or task is None:
            return
        self._expired = False
        # A cancellation from outside that came as well is not ours to swallow.
        if task.uncancel() <= self._cancelling and kind is not None and issubclass(kind, asyncio.CancelledError):
            raise TimeoutError from error

    def _bark(self) -> None:
        self._timer = None
        if self._task is None:
            return
        if self._loop.time() < self.deadline:
            self._timer = self._loop.call_at(self.deadline, self._bark)
        else:
            self._expired = True
            self._task.cancel()
