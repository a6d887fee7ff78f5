"""What the process that leads does beside deciding: clean-ups, and writing answers into their folder."""

import threading
import time

from django.utils import timezone

from orchestration.engine.sink import Sink
from orchestration.services import retention

LONGEST_REST = 1.0


class Housekeeper:
    """Rests as long as each piece took: on SQLite nobody else writes meanwhile."""

    def __init__(self, stop: threading.Event, leads: threading.Event) -> None:
        self._stop = stop
        self._leads = leads
        self._sink = Sink()
        self._began = 0.0

    def look(self) -> None:
        """Does whatever is to be done."""
        self._began = time.monotonic()
        retention.schedule(now=timezone.now())
        retention.carry_on(go_on=self._go_on)
        self._sink.write(self._go_on)

    def _go_on(self) -> bool:
        self._stop.wait(min(LONGEST_REST, time.monotonic() - self._began))
        self._began = time.monotonic()
        return self._leads.is_set() and not self._stop.is_set()
