"""``bench_throughput``: tasks a second from bulk requests to completed rows, beside a plain RQ project."""

import os
from argparse import SUPPRESS, ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orchestration.management import scratch, stock, throughput

LEAST, AIM = 300, 600
STOCK_SHARE = 20
"""The plain project gets so many times fewer tasks: it needs longer for each."""


class Command(BaseCommand):
    help = "Measures how many tasks a second go from bulk requests to completed rows, beside a plain RQ project."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tasks", type=int, default=10_000, help="in each run (10000)")
        parser.add_argument("--workers", default="1,2,4", help="how many, on the first number of nodes (1,2,4)")
        parser.add_argument("--nodes", default="1,2,4", help="how many, with the first number of workers (1,2,4)")
        parser.add_argument("--stock-workers", type=int, default=4, help="fork workers of the plain project (4)")
        parser.add_argument("--database", choices=["sqlite", "postgresql"], help="default: as DATABASE_URL says")
        parser.add_argument("--part", choices=["simulator", "stock", "stock-worker"], help=SUPPRESS)
        parser.add_argument("--urls", default="", help=SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        match options["part"]:
            case "simulator":
                throughput.simulate(int(options["nodes"]))
            case "stock":
                self.stdout.write(str(stock.run(options["tasks"], int(options["workers"]), options["urls"].split(","))))
            case "stock-worker":
                stock.work()
            case _:
                self._measure(options)

    def _measure(self, options: dict[str, Any]) -> None:
        tasks, url = options["tasks"], database_url(options["database"])
        if tasks < 1:
            raise CommandError("--tasks must be 1 or more.")
        cases = combined(numbers("--workers", options["workers"]), numbers("--nodes", options["nodes"]))
        kind = "PostgreSQL" if url else "SQLite"
        self.stdout.write(f"{tasks:,} tasks by REST to completed rows, {throughput.SLOTS} slots, 20 ms a call, {kind}:")
        first = None
        for workers, nodes in cases:
            found = throughput.measure(tasks, workers=workers, nodes=nodes, database_url=url)
            first = first or found
            self._print(f"{counted(workers, 'worker')}, {counted(nodes, 'node')}", found)
        few, forks = max(50, tasks // STOCK_SHARE), options["stock_workers"]
        plain = stock.measure(few, workers=forks, nodes=cases[0][1], database_url=url)
        self._print(f"plain RQ, {counted(forks, 'fork worker')}", plain)
        if first:
            self.stdout.write(f"  Drover's first line is {first.rate / plain.rate:.1f} times that of the plain project")

    def _print(self, name: str, found: throughput.Found) -> None:
        spent = ", ".join(f"{role} {ms:.2f}" for role, ms in found.cpu_ms.items())
        words = f"   CPU ms a task: {spent}" if spent else f"   {found.tasks} tasks"
        self.stdout.write(f"  {name:<26}{found.rate:7.0f} tasks/s  {verdict(found.rate) if spent else '':<9}{words}")
        self.stdout.flush()


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def verdict(rate: float) -> str:
    return "aim met" if rate >= AIM else "met" if rate >= LEAST else "MISSED"


def numbers(option: str, text: str) -> list[int]:
    try:
        found = [int(word) for word in text.split(",")]
    except ValueError:
        found = []
    if not found or min(found) < 1:
        raise CommandError(f"{option} takes numbers from 1 on, separated by commas.")
    return found


def combined(workers: list[int], nodes: list[int]) -> list[tuple[int, int]]:
    """Each number of workers on the first number of nodes, each further number of nodes with the first of workers."""
    return [*((number, nodes[0]) for number in workers), *((workers[0], number) for number in nodes[1:])]


def database_url(wanted: str | None) -> str:
    """Empty for SQLite. The named PostgreSQL database itself is not touched; one beside it is."""
    if wanted == "sqlite" or (wanted is None and scratch.kind() == "sqlite"):
        return ""
    if scratch.kind() != "postgresql":
        raise CommandError("DATABASE_URL does not name a PostgreSQL database.")
    return os.environ["DATABASE_URL"]
