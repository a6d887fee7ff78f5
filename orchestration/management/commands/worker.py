"""``worker``: runs attempts. Any number may run, on any machine."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from orchestration.engine.worker import run_worker


class Command(BaseCommand):
    help = "Runs a worker until SIGTERM or Ctrl-C; what it runs may finish within DROVER_WORKER_GRACE_SECONDS."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--capacity", type=int, help="streams at once (DROVER_WORKER_CAPACITY)")

    def handle(self, *args: Any, **options: Any) -> None:
        capacity = settings.DROVER_WORKER_CAPACITY if options["capacity"] is None else options["capacity"]
        if capacity < 1:
            raise CommandError("--capacity must be 1 or more.")
        if status := run_worker(capacity):
            raise SystemExit(status)
