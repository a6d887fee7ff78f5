"""``bench_decision``: what one decision of the scheduler costs, beside queues of growing length."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from orchestration.management.decision_bench import Fleet, measure, own_database, own_redis

TARGET_MILLISECONDS = 25.0


class Command(BaseCommand):
    help = "Times decisions (reading, deciding, writing) with 1,000 to 100,000 tasks waiting, on a database of its own."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--pending", default="1000,10000,100000", help="tasks waiting, separated by commas")
        parser.add_argument("--decisions", type=int, default=300, help="timed for each (300)")
        parser.add_argument("--models", type=int, default=50)
        parser.add_argument("--nodes", type=int, default=20)
        parser.add_argument("--users", type=int, default=100)

    def handle(self, *args: Any, **options: Any) -> None:
        sizes = [int(size) for size in options["pending"].split(",")]
        if min(sizes) < 1 or options["decisions"] < 1:
            raise CommandError("--pending and --decisions must be 1 or more.")
        fleet = Fleet(models=options["models"], nodes=options["nodes"], users=options["users"])
        shape = f"{fleet.models} models, {fleet.nodes} nodes, {fleet.users} users"
        self.stdout.write(f"One decision on {connection.vendor}, {shape}, milliseconds:")
        self.stdout.write(f"{'pending':>10}{'mean':>10}{'median':>10}{'p99':>10}{'granted':>10}")
        costs = []
        with own_redis():
            for size in sizes:
                with own_database():
                    cost = measure(size, options["decisions"], fleet)
                costs.append(cost)
                row = f"{cost.pending:>10,}{cost.mean:>10.1f}{cost.p50:>10.1f}{cost.p99:>10.1f}{cost.granted:>10}"
                self.stdout.write(row)
        growth = costs[-1].p50 / costs[0].p50
        met = "met" if costs[-1].p99 <= TARGET_MILLISECONDS else "not met"
        self.stdout.write(f"median at {sizes[-1]:,} / median at {sizes[0]:,}: {growth:.2f}")
        self.stdout.write(f"p99 at {sizes[-1]:,} at most {TARGET_MILLISECONDS:.0f} ms: {met}")
