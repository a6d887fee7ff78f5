"""``bench_latency``: from submit to first token, through Drover and directly."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orchestration.management.latency import measure


class Command(BaseCommand):
    help = "Measures the time to the first token through Drover beside a direct call, on a simulated server."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--count", type=int, default=100, help="pairs of calls (100)")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["count"] < 1:
            raise CommandError("--count must be 1 or more.")
        found = measure(options["count"])
        self.stdout.write(f"From submit to first token, {options['count']} calls each way, milliseconds:")
        self.stdout.write(f"{'':<16}{'median':>10}{'p95':>10}")
        for name, median, high in found.rows():
            self.stdout.write(f"{name:<16}{median:>10.1f}{high:>10.1f}")
        self.stdout.write(f"ratio of the medians: {found.ratio:.2f}")
