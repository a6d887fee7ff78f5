"""Runs of the laboratory, one workload under one scheduler from one seed each, on all cores."""

import multiprocessing
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from orchestration.management.lab.metrics import Metrics, mean_of, measure
from orchestration.management.lab.peers import PEERS
from orchestration.management.lab.product import Product
from orchestration.management.lab.simulation import Scheduler, Simulation
from orchestration.management.lab.workloads import workloads

OURS = "product"
SCHEDULERS: dict[str, Callable[[], Scheduler]] = {OURS: Product, **PEERS}
DEFAULT = (OURS, "round-robin", "least-connections", "llama-swap-like", "rq-workers")


@dataclass(frozen=True, slots=True)
class Job:
    workload: str
    scheduler: str
    seed: int
    scale: float = 1.0


def run(job: Job) -> Metrics:
    workload = workloads(job.scale)[job.workload]
    return measure(Simulation(workload, SCHEDULERS[job.scheduler](), job.seed).run(), workload)


def by_workload(
    names: Iterable[str], schedulers: Sequence[str], *, seeds: int, scale: float = 1.0, processes: int | None = None
) -> Iterator[tuple[str, dict[str, Metrics]]]:
    """Each workload as soon as all of its runs have ended, with the means over the seeds by scheduler."""
    jobs = [[Job(name, other, seed + 1, scale) for other in schedulers for seed in range(seeds)] for name in names]
    flat = [job for group in jobs for job in group]
    found = _run_all(flat, processes or os.cpu_count() or 1)
    for group in jobs:
        yield group[0].workload, _means(group, found)


def _run_all(jobs: Sequence[Job], processes: int) -> Iterator[Metrics]:
    if processes == 1:
        yield from map(run, jobs)
        return
    with multiprocessing.Pool(processes) as pool:
        yield from pool.imap(run, jobs)


def _means(jobs: Iterable[Job], found: Iterator[Metrics]) -> dict[str, Metrics]:
    runs: dict[str, list[Metrics]] = defaultdict(list)
    for job in jobs:
        runs[job.scheduler].append(next(found))
    return {name: mean_of(metrics) for name, metrics in runs.items()}
