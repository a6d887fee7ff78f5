"""``doctor``: what start-up checks, at any time, and whether what runs is well."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from orchestration.management import checks
from orchestration.management.terminal import Terminal


class Command(BaseCommand):
    help = "Checks data folder, database, Redis, Ollama servers and Drover's processes. Exit status 1 on a failure."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--url", default="", help="where the site is (the one started on this data folder)")

    def handle(self, *args: Any, **options: Any) -> None:
        terminal = Terminal()
        failed = False
        for finding in checks.of_running(options["url"]):
            terminal.tick(finding.ok, finding.name, finding.text, finding.fix)
            failed = failed or finding.ok is False
        if failed:
            raise SystemExit(1)
