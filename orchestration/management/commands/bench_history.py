"""``bench_history``: rows and charts of a month of load history, beside what is promised of both."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.utils import timezone

from orchestration.management.decision_bench import own_database
from orchestration.management.history_bench import Size, charts, fill, measure
from orchestration.policy.series import most_rows

TARGET_MILLISECONDS = 200.0
SHOWN = 5


class Command(BaseCommand):
    help = "Fills a month of load history on a database of its own, counts its rows, and times its charts."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--models", type=int, default=20)
        parser.add_argument("--nodes", type=int, default=10)
        parser.add_argument("--days", type=int, default=30)
        parser.add_argument("--attempts", type=int, default=200_000)
        parser.add_argument("--repeats", type=int, default=5, help="of each chart (5)")

    def handle(self, *args: Any, **options: Any) -> None:
        size = Size(**{name: options[name] for name in ("models", "nodes", "days", "attempts")})
        if min(size.models, size.nodes, size.days, options["repeats"]) < 2:
            raise CommandError("--models, --nodes, --days and --repeats must be 2 or more.")
        shape = f"{size.models} models, {size.nodes} nodes, {size.days} days, {size.attempts:,} attempts"
        self.stdout.write(f"Load history on {connection.vendor}, {shape}, everything always in use:")
        with own_database():
            written = fill(size, timezone.now().replace(microsecond=0))  # what ends in a second counts when it is over
            bound = most_rows(size.nodes, size.models)
            met = "met" if written.rows <= bound else "not met"
            self.stdout.write(f"rows: {written.rows:,}, at most {bound:,} however long it goes on: {met}")
            words = f"median {written.median:.0f} ms, worst {written.worst:.0f} ms"
            self.stdout.write(f"one write of ten seconds: {words}")
            self._time(size, options["repeats"])

    def _time(self, size: Size, repeats: int) -> None:
        timings = sorted(measure(charts(size), repeats), key=lambda timing: -timing.p95)
        self.stdout.write(f"{len(timings)} charts, p95 of {repeats}; the slowest:")
        for timing in timings[:SHOWN]:
            self.stdout.write(f"{timing.p95:8.0f} ms, {timing.cpu:.0f} ms of them at work: {timing.asked.words}")
        met = "met" if timings[0].p95 <= TARGET_MILLISECONDS else "not met"
        self.stdout.write(f"every chart within {TARGET_MILLISECONDS:.0f} ms: {met}")
        wrong = [timing.asked.words for timing in timings if not timing.agrees]
        self.stdout.write(f"sums that agree with the attempts: {'all' if not wrong else f'not {wrong}'}")
