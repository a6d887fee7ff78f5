"""``bench_latency``: from submit to the server's socket and to the first token, through Drover and directly."""

from argparse import SUPPRESS, ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orchestration.management import arrivals, latency
from orchestration.management.commands.bench_throughput import database_url

TARGETS = {"idle": (30.0, 100.0), "half busy": (30.0, 100.0)}
AIM = (15.0, 40.0)
"""Milliseconds, median and 95th percentile; the aim is for an idle Drover."""


class Command(BaseCommand):
    help = "Measures how long a task takes to the server's socket and to its first token, beside a direct call."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--count", type=int, default=100, help="calls of each kind (100)")
        parser.add_argument("--only", choices=["socket", "token"], help="one of the two measurements")
        parser.add_argument("--database", choices=["sqlite", "postgresql"], help="default: as DATABASE_URL says")
        parser.add_argument("--part", choices=["simulator"], help=SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["part"]:
            arrivals.simulate()
            return
        count, url = options["count"], database_url(options["database"])
        if count < 1:
            raise CommandError("--count must be 1 or more.")
        if options["only"] != "token":
            self._socket(arrivals.measure(count, url), count, "PostgreSQL" if url else "SQLite")
        if options["only"] != "socket":
            self._token(latency.measure(count, url), count)

    def _socket(self, found: arrivals.Arrivals, count: int, kind: str) -> None:
        self.stdout.write(f"From submit to the request on the server's socket, {count} each, {kind}, milliseconds:")
        self.stdout.write(f"{'':<16}{'median':>10}{'p95':>10}")
        for name, seconds in (("direct", found.direct), ("idle", found.idle), ("half busy", found.loaded)):
            median, high = latency.milliseconds(seconds)
            self.stdout.write(f"{name:<16}{median:>10.1f}{high:>10.1f}  {verdict(name, median, high)}".rstrip())
        self.stdout.write(f"slots busy in the last line: {found.busy:.0%} of {arrivals.SLOTS}")

    def _token(self, found: latency.Latencies, count: int) -> None:
        self.stdout.write(f"From submit to first token, {count} calls each way, milliseconds:")
        self.stdout.write(f"{'':<16}{'median':>10}{'p95':>10}")
        for name, median, high in found.rows():
            self.stdout.write(f"{name:<16}{median:>10.1f}{high:>10.1f}")
        self.stdout.write(f"ratio of the medians: {found.ratio:.2f}")


def verdict(name: str, median: float, high: float) -> str:
    if name not in TARGETS:
        return ""
    limits = TARGETS[name]
    words = "met" if median <= limits[0] and high <= limits[1] else "not met"
    if name == "idle" and median <= AIM[0] and high <= AIM[1]:
        words = f"met, and the aim of {AIM[0]:g}/{AIM[1]:g}"
    return f"at most {limits[0]:g}/{limits[1]:g}: {words}"
