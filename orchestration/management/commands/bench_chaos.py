"""``bench_chaos``: processes and servers are killed at random under load, and every task is accounted for."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orchestration.management import chaos
from orchestration.management.commands.bench_throughput import database_url


class Command(BaseCommand):
    help = "Kills workers, schedulers, Redis and servers at random under load, then accounts for every task."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--minutes", type=float, default=5.0, help="of killing (5)")
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--database", choices=["sqlite", "postgresql"], help="default: as DATABASE_URL says")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["minutes"] <= 0:
            raise CommandError("--minutes must be more than 0.")
        url = database_url(options["database"])
        found = chaos.run(options["minutes"] * 60, seed=options["seed"], database_url=url)
        kills = ", ".join(f"{number} {what}" for what, number in sorted(found.kills.items()))
        attempts = ", ".join(f"{number} {status}" for status, number in sorted(found.attempts.items()))
        self.stdout.write(f"Killed in {options['minutes']:g} minutes: {kills}")
        self.stdout.write(f"Tasks: {len(found.submitted)} submitted, {found.completed} completed")
        self.stdout.write(f"  lost {found.missing}, unfinished {found.unfinished}, other ends {found.other_ends or 0}")
        self.stdout.write(f"  results written twice {found.written_twice}, slots held twice {found.shared_slots}")
        self.stdout.write(f"  outputs compared {found.compared}, different {len(found.different)}")
        self.stdout.write(f"  most requests at once for one model on one server {found.most_at_once} of {chaos.SLOTS}")
        self.stdout.write(f"Attempts: {attempts}; everything had ended after {found.seconds:.0f} s")
        self.stdout.write("clean" if found.clean else "NOT CLEAN")
