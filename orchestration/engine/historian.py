"""Keeps the samples of the leading scheduler until they are written into the load history, some seconds at once."""

import threading
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.utils import timezone

from orchestration.payloads import LoadSample
from orchestration.queries.status import SCHEDULER_ROLE
from orchestration.services import history
from orchestration.services.history import Sampled

WRITE_SECONDS = 10.0
MOST_HELD = 600
"""Samples that wait for a database that is away; older ones are given up."""
CONSECUTIVE = timedelta(seconds=5)


class Historian:
    """``note`` is called by the thread that samples, ``write`` by one that decisions do not wait for."""

    def __init__(self, holder: str) -> None:
        self._holder = holder
        self._lock = threading.Lock()
        self._held: deque[Sampled] = deque(maxlen=MOST_HELD)
        self._last: Sampled | None = None

    def note(self, now: datetime, sample: LoadSample) -> None:
        last = self._last
        before = last if last and now - last.at < CONSECUTIVE else None
        self._last = Sampled(now, sample)
        with self._lock:
            self._held.append(self._last._replace(before=before))

    def write(self) -> None:
        """What cannot be written now is kept for the next time."""
        with self._lock:
            held = list(self._held)
        history.record(
            samples=held,
            now=timezone.now(),
            role=SCHEDULER_ROLE,
            holder=self._holder,
            taken=lambda: self._drop(held),
        )

    def _drop(self, written: Sequence[Sampled]) -> None:
        with self._lock:
            for sampled in written:
                if self._held and self._held[0] is sampled:
                    self._held.popleft()

    def forget(self) -> None:
        """Somebody else leads: what was seen is theirs to tell."""
        with self._lock:
            self._held.clear()
        self._last = None
