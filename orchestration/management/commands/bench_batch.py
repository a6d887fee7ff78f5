"""``bench_batch``: thousands of rows from CSV on simulated nodes, followed over REST and in a browser."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orchestration.management import batch_bench, page_watch
from orchestration.management.batch_bench import Found
from orchestration.management.commands.bench_throughput import database_url

MOST_SHARE = 0.15
MOST_GROWTH_MB = 25.0


class Command(BaseCommand):
    help = "Measures a batch of thousands of rows: counts that sum up, memory, the page's main thread, the export."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--rows", type=int, default=5000, help="of the batch (5000)")
        parser.add_argument("--nodes", type=int, default=2, help="simulated servers (2)")
        parser.add_argument("--no-browser", action="store_true", help="leave the page out")
        parser.add_argument("--database", choices=["sqlite", "postgresql"], help="default: as DATABASE_URL says")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["rows"] < 1 or options["nodes"] < 1:
            raise CommandError("--rows and --nodes are 1 or more.")
        browser = not options["no_browser"]
        if browser and page_watch.browser_path() is None:
            raise CommandError("There is no Chromium; --no-browser leaves the page out.")
        url = database_url(options["database"])
        found = batch_bench.measure(options["rows"], nodes=options["nodes"], browser=browser, database_url=url)
        for line in told(found):
            self.stdout.write(line)
        if not found.clean:
            raise CommandError("Something of this is wrong.")


def told(found: Found) -> list[str]:
    lines = [
        f"{found.rows:,} rows in {found.seconds:.1f} s: {found.rows / found.seconds:.0f} rows/s",
        f"  counts: {found.looks} looks over REST, {len(found.wrong)} that do not sum up",
        f"  export: {found.exported:,} rows, {len(found.differences)} that differ from the database",
    ]
    for name, (before, most, after) in found.memory.items():
        verdict = "flat" if after - before <= MOST_GROWTH_MB else "GREW"
        lines.append(f"  {name}: {before:.0f} MB before, {most:.0f} at most, {after:.0f} after the export: {verdict}")
    if page := found.page:
        verdict = "met" if page.share <= MOST_SHARE else "MISSED"
        lines.append(f"  page: {100 * page.share:.1f} % of its main thread over {page.seconds:.0f} s: {verdict}")
        lines.append(f"  page: {page.looks} looks, {len(page.wrong)} that do not sum up, at the end {page.last}")
        lines.append(f"  page: heap {page.heap_mb[0]:.1f} MB before, {page.heap_mb[1]:.1f} after")
    problems = [*found.wrong, *found.differences, *((found.page.wrong + found.page.complaints) if found.page else [])]
    return lines + [f"  ! {problem}" for problem in problems[:10]]
