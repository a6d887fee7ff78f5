"""``scheduler``: decides what runs where. Any number may run; one leads."""

from typing import Any

from django.core.management.base import BaseCommand

from orchestration.engine import scheduler
from orchestration.management.stopping import stop_event


class Command(BaseCommand):
    help = "Runs a scheduler until SIGTERM or Ctrl-C."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        scheduler.run(stop_event())
