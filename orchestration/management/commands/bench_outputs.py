"""``bench_outputs``: what a search over 200,000 kept answers costs, beside reading every text."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from orchestration.management.decision_bench import own_database
from orchestration.management.output_bench import Cost, baseline, fill, measure

TARGET_MILLISECONDS = 150.0


class Command(BaseCommand):
    help = "Times searches over many kept answers, counts by kind included, on a database of its own."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--answers", type=int, default=200_000)
        parser.add_argument("--words", type=int, default=200, help="of an answer, on average (200)")
        parser.add_argument("--searches", type=int, default=40, help="of each kind (40)")

    def handle(self, *args: Any, **options: Any) -> None:
        if min(options["answers"], options["words"], options["searches"]) < 1:
            raise CommandError("--answers, --words and --searches must be 1 or more.")
        self.stdout.write(f"Searches on {connection.vendor}, {options['answers']:,} answers, milliseconds:")
        with own_database():
            filled = fill(options["answers"], options["words"])
            rate = filled.answers / filled.gather_seconds
            self.stdout.write(f"gathered {rate:,.0f} answers/s; the database has {filled.size_bytes / 1e9:.2f} GB")
            self.stdout.write(f"{'':32}{'p50':>10}{'p95':>10}{'worst':>10}")
            costs = measure(options["searches"])
            for cost in costs:
                self._write(cost)
            every = Cost(kind="all together", spent=[each for cost in costs for each in cost.spent])
            self._write(every)
            plain = baseline(3)
            self._write(plain)
        met = "met" if every.p95 <= TARGET_MILLISECONDS else "not met"
        self.stdout.write(f"reading every text / searching, p50: {plain.p50 / every.p50:,.0f}")
        self.stdout.write(f"p95 of all at most {TARGET_MILLISECONDS:.0f} ms: {met}")

    def _write(self, cost: Cost) -> None:
        self.stdout.write(f"{cost.kind:32}{cost.p50:>10.1f}{cost.p95:>10.1f}{max(cost.spent):>10.1f}")
