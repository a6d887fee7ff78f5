"""``bench_retention``: a dry run and its clean-up beside 200,000 answers, and statistics over a year."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.utils import timezone

from orchestration.management.decision_bench import own_database, own_redis
from orchestration.management.retention_bench import Done, ask, clean, fill, left

TARGET_SECONDS = 1.0


class Command(BaseCommand):
    help = "Times clean-ups of many kept answers, and that they remove what their dry run told, on an own database."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--answers", type=int, default=200_000)

    def handle(self, *args: Any, **options: Any) -> None:
        answers, now = options["answers"], timezone.now()
        if answers < 1:
            raise CommandError("--answers must be 1 or more.")
        self.stdout.write(f"Retention on {connection.vendor}, {answers:,} answers of 60 days, seconds:")
        head = ("", "texts", "tasks", "dry run", "clean-up", "a piece at most", "same")
        self.stdout.write(f"{head[0]:28}" + "".join(f"{word:>16}" for word in head[1:]))
        with own_redis(), own_database():
            fill(answers, now)
            spent = ask(10)
            done = [clean(now, text_days=30), clean(now, task_days=15), clean(now, task_days=1, text_days=1)]
            for words, each in zip(
                ("texts after 30 days", "tasks after 15 days", "both after 1 day"), done, strict=True
            ):
                self._write(words, each)
            tasks, texts = left()
        self.stdout.write(f"left: {tasks:,} tasks, {texts:,} with their texts")
        met = "met" if max(spent) <= TARGET_SECONDS else "not met"
        self.stdout.write(
            f"statistics of a year at most {max(spent) * 1000:.0f} ms; at most {TARGET_SECONDS:g} s: {met}"
        )
        if not all(each.same for each in done):
            raise CommandError("A clean-up removed something else than its dry run had told.")

    def _write(self, words: str, done: Done) -> None:
        total = done.removed["total"]
        figures = (f"{total['texts']:,}", f"{total['tasks']:,}", f"{done.plan_seconds:.1f}", f"{done.seconds:.1f}")
        row = (*figures, f"{done.longest:.2f}", "yes" if done.same else "NO")
        self.stdout.write(f"{words:28}" + "".join(f"{value:>16}" for value in row))
