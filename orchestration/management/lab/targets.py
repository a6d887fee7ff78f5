"""What Drover wants of its scheduler, as figures of the laboratory."""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from orchestration.management.lab.metrics import Metrics

Results = Mapping[str, Mapping[str, Metrics]]
"""By workload and scheduler."""
ALL = ("W1", "W2a", "W2b", "W3", "W4", "W5", "W6", "W7", "W8")
Combine = Callable[[Iterable[float]], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    what: str
    metric: str
    limit: float
    workloads: Sequence[str]
    combine: Combine = max
    at_least: bool = False

    def figure(self, results: Results, scheduler: str) -> float:
        return self.combine(getattr(results[name][scheduler], self.metric) for name in self.workloads)

    def is_met(self, figure: float) -> bool:
        return figure >= self.limit if self.at_least else figure <= self.limit

    def best(self, figures: Iterable[float]) -> float:
        return (max if self.at_least else min)(figures, default=math.nan)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    target: Target
    figure: float
    best_peer: float

    @property
    def met(self) -> bool:
        return self.target.is_met(self.figure)


def _waits(what: str, workload: str, cls: str, mean: float, p99: float) -> tuple[Target, Target]:
    return (
        Target(what=f"{what}, mean (s)", metric=f"{cls}_mean", limit=mean, workloads=(workload,)),
        Target(what=f"{what}, p99 (s)", metric=f"{cls}_p99", limit=p99, workloads=(workload,)),
    )


TARGETS = (
    Target(
        what="response / bound, geometric mean",
        metric="response",
        limit=3.0,
        workloads=ALL,
        combine=statistics.geometric_mean,
    ),
    Target(
        what="end / bound, largest but W3", metric="end", limit=1.05, workloads=[name for name in ALL if name != "W3"]
    ),
    Target(what="end / bound, W3", metric="end", limit=1.15, workloads=("W3",)),
    *_waits("high class waits at 70 % load, W2a", "W2a", "high", 3, 35),
    *_waits("high class waits under two batches, W3", "W3", "high", 2.5, 25),
    *_waits("high class waits at 95 % load, W2b", "W2b", "high", 8, 65),
    Target(what="normal tasks of a rare model wait, W3, p99 (s)", metric="normal_p99", limit=130, workloads=("W3",)),
    Target(what="loads per task, W6", metric="loads_per_task", limit=0.27, workloads=("W6",)),
    Target(what="loads per task, W2b", metric="loads_per_task", limit=0.09, workloads=("W2b",)),
    Target(what="fairness, W2b", metric="fairness", limit=0.97, workloads=("W2b",), at_least=True),
    Target(what="fairness, W7", metric="fairness", limit=0.97, workloads=("W7",), at_least=True),
)


def verdicts(results: Results, scheduler: str) -> list[Verdict]:
    """Of the targets whose workloads have been run."""
    found = []
    for target in TARGETS:
        if not set(target.workloads) <= set(results):
            continue
        peers = [name for name in results[target.workloads[0]] if name != scheduler]
        best_peer = target.best(target.figure(results, name) for name in peers)
        found.append(Verdict(target=target, figure=target.figure(results, scheduler), best_peer=best_peer))
    return found
