"""``up``: everything Drover needs on this machine, with one command."""

import asyncio
import os
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from orchestration.management import checks, data_folder
from orchestration.management.startup import Startup, Wishes
from orchestration.management.terminal import Terminal


class Command(BaseCommand):
    help = "Starts Drover: Redis, database, web, scheduler, workers. Ctrl-C stops it."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 for all (127.0.0.1)")
        parser.add_argument("--port", type=int, help="port to listen on (PORT, else 8000, else the next free one)")
        parser.add_argument("--workers", type=int, default=1, help="worker processes (1)")
        parser.add_argument("--demo", action="store_true", help="with simulated Ollama servers")
        parser.add_argument("--start-ollama", action="store_true", help="start the Ollama installed here if none runs")
        parser.add_argument("--no-browser", action="store_true", help="open no browser")
        parser.add_argument("--check", action="store_true", help="say whether Drover could start here, and end")

    def handle(self, *args: Any, **options: Any) -> None:
        terminal = Terminal()
        if options["check"]:
            status = self._check(terminal)
        else:
            wishes = self._wishes(options)
            try:
                data_folder.prepare(settings.DROVER_DATA)
            except data_folder.Unusable as error:
                raise CommandError(str(error)) from error
            status = asyncio.run(self._run(wishes, terminal))
        if status:
            raise SystemExit(status)

    async def _run(self, wishes: Wishes, terminal: Terminal) -> int:
        return await Startup(wishes, terminal).run()

    def _check(self, terminal: Terminal) -> int:
        findings = list(checks.before_start())
        for finding in findings:
            terminal.tick(finding.ok, finding.name, finding.text, finding.fix)
        return int(any(finding.ok is False for finding in findings))

    def _wishes(self, options: dict[str, Any]) -> Wishes:
        if options["workers"] < 1:
            raise CommandError("--workers must be 1 or more.")
        port = options["port"]
        if port is None and os.environ.get("PORT"):
            if not os.environ["PORT"].isdigit():
                raise CommandError("PORT must be a number.")
            port = int(os.environ["PORT"])
        return Wishes(
            host=options["host"],
            port=8000 if port is None else port,
            port_asked_for=port is not None,
            workers=options["workers"],
            demo=options["demo"] or settings.DROVER_DEMO,
            start_ollama=options["start_ollama"],
            open_browser=not options["no_browser"],
        )
