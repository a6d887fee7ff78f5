"""``scheduler``: decides what runs where. Any number may run; one leads."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from orchestration.engine import scheduler


class Command(BaseCommand):
    help = "Runs a scheduler until SIGTERM or Ctrl-C."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        scheduler.run(stop)
