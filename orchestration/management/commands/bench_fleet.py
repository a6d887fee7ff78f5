"""``bench_fleet``: Drover in real processes and real time on simulated servers, beside two other ways to share them."""

import random
import statistics
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orchestration.management import realtime, realtime_drover
from orchestration.management.commands.bench_throughput import database_url
from orchestration.management.lab import workloads
from orchestration.management.lab.metrics import fairness, percentile
from orchestration.management.lab.peers import PEERS
from orchestration.management.lab.simulation import Workload
from orchestration.management.lab.work import LabTask

DROVER = "drover"
SEED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """In laboratory seconds; ``others``: the mean wait of everybody but the user with the most tasks."""

    response: float
    p95: float
    wait: float
    others: float
    loads: int
    jain: float


class Command(BaseCommand):
    help = "Runs a workload in real time through Drover and through two other schedulers, on the same simulated nodes."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--scenario", choices=sorted(workloads.REAL), help="default: all of them")
        parser.add_argument("--database", choices=["sqlite", "postgresql"], help="default: as DATABASE_URL says")
        parser.add_argument("--only", help="contenders, separated by commas")
        parser.add_argument("--part", choices=["simulator"], help=SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["part"]:
            realtime.simulate(workloads.REAL[options["scenario"]]())
            return
        url = database_url(options["database"])
        for name in [options["scenario"]] if options["scenario"] else workloads.REAL:
            self._scenario(name, url, options["only"])

    def _scenario(self, name: str, url: str, only: str | None) -> None:
        contenders = only.split(",") if only else [DROVER, "rq-workers", "llama-swap-like"]
        if unknown := sorted({*contenders} - {DROVER, *PEERS}):
            raise CommandError(f"There is no contender {unknown[0]!r}: {', '.join((DROVER, *PEERS))}.")
        self.stdout.write(f"{name}: {workloads.REAL_TITLES[name]} (1 s on the clock = {realtime.FACTOR:g} s here)")
        self.stdout.write(
            f"  {'':<18}{'response':>10}{'p95':>8}{'wait':>8}{'others':>8}{'loads':>7}{'per task':>10}{'Jain':>7}"
        )
        results: dict[str, Found] = {}
        for contender in contenders:
            workload = workloads.REAL[name]()
            tasks = workload.tasks(random.Random(SEED))
            results[contender] = found = _run(contender, name, workload, tasks, url)
            share = found.loads / len(tasks)
            self.stdout.write(
                f"  {contender:<18}{found.response:>10.1f}{found.p95:>8.1f}{found.wait:>8.1f}{found.others:>8.1f}"
                f"{found.loads:>7}{share:>10.3f}{found.jain:>7.3f}"
            )
            self.stdout.flush()
        for contender, found in results.items():
            if contender != DROVER and DROVER in results:
                ratio = found.response / results[DROVER].response
                self.stdout.write(f"  mean response of {contender} / Drover's: {ratio:.2f}")


def _run(contender: str, name: str, workload: Workload, tasks: Sequence[LabTask], url: str) -> Found:
    with realtime.servers(realtime.command("simulator", "--scenario", name)) as urls:
        if contender == DROVER:
            realtime_drover.run_drover(workload, tasks, urls, url)
        else:
            realtime.run_peer(PEERS[contender](), workload, tasks, urls)
        loads = realtime_drover.loads(urls)
    most = statistics.mode(task.user for task in tasks)
    responses = [(task.ended or 0.0) - task.born for task in tasks]
    waits = {task.id: (task.started or 0.0) - task.born for task in tasks}
    return Found(
        response=statistics.fmean(responses),
        p95=percentile(responses, 0.95),
        wait=statistics.fmean(waits.values()),
        others=statistics.fmean(waits[task.id] for task in tasks if task.user != most),
        loads=loads,
        jain=fairness(tasks),
    )
