"""``bench_contexts``: loads for a client that asks for another context with each request, with and without Drover."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orchestration.management.context_bench import measure


class Command(BaseCommand):
    help = "Counts model loads for a client that changes num_ctx with every request, through Drover and directly."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--turns", type=int, default=50, help="requests each way (50)")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["turns"] < 1:
            raise CommandError("--turns must be 1 or more.")
        found = measure(options["turns"])
        first, last = found.turns[0].num_ctx, found.turns[-1].num_ctx
        self.stdout.write(
            f"A growing conversation, {options['turns']} requests, each with another num_ctx ({first} to {last}):"
        )
        self.stdout.write(f"{'':<28}{'loads':>8}{'seconds':>10}")
        for name, outcome in (("through Drover", found.through_drover), ("straight to the server", found.directly)):
            self.stdout.write(f"{name:<28}{outcome.loads:>8}{outcome.seconds:>10.1f}")
        self.stdout.write(f"loads without Drover for each one with it: {found.ratio:.1f}")
        self.stdout.write(f"contexts that Drover used: {found.buckets}; no more loads than that are allowed")
        if found.through_drover.loads > found.buckets:
            raise CommandError(f"{found.through_drover.loads} loads for {found.buckets} contexts.")
