"""``bench_policy``: Drover's own decisions in a simulated world, beside what others do there."""

import json
import os
import time
from argparse import ArgumentParser
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orchestration.management.lab import report
from orchestration.management.lab.runs import DEFAULT, OURS, SCHEDULERS, by_workload
from orchestration.management.lab.targets import verdicts
from orchestration.management.lab.workloads import TITLES


class Command(BaseCommand):
    help = "Runs the scheduler's decisions in a simulation of eight workloads, beside those of other schedulers."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--seeds", type=int, default=5, help="runs of each workload and scheduler (5)")
        parser.add_argument("--scale", type=float, default=1.0, help="of the number of tasks (1.0)")
        parser.add_argument("--only", default="", help=f"some of {','.join(TITLES)}")
        parser.add_argument("--policies", default=",".join(DEFAULT), help=f"some of {','.join(SCHEDULERS)}")
        parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="as many as there are cores")
        parser.add_argument("--json", type=Path, help="a file for all figures")

    def handle(self, *args: Any, **options: Any) -> None:
        seeds, scale, processes = options["seeds"], options["scale"], options["processes"]
        if seeds < 1 or scale <= 0 or processes < 1:
            raise CommandError("--seeds, --scale and --processes must be more than 0.")
        names = _chosen(options["only"], TITLES, "workload")
        schedulers = _chosen(options["policies"], SCHEDULERS, "policy")
        began = time.monotonic()
        results = {}
        for name, rows in by_workload(names, schedulers, seeds=seeds, scale=scale, processes=processes):
            results[name] = rows
            self._print([*report.workload_table(name, rows), ""])
        found = verdicts(results, OURS) if OURS in schedulers else []
        self._print([*report.summary_tables(results), *(report.target_table(found) if found else [])])
        self._print(["", f"{len(names) * len(schedulers) * seeds} runs in {time.monotonic() - began:.0f} s"])
        if options["json"]:
            _write(options["json"], report.as_json(results, found, seeds=seeds, scale=scale))

    def _print(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.stdout.write(line)


def _chosen(text: str, known: Iterable[str], what: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise CommandError(f"There is no {what} {unknown[0]!r}. Known: {', '.join(known)}.")
    return names or list(known)


def _write(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
