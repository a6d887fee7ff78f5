"""What a run of the simulation was worth: waits by class, ends and responses beside their bounds, loads, fairness."""

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields

from orchestration.management.lab.bounds import bounds
from orchestration.management.lab.simulation import Simulation, Workload
from orchestration.management.lab.work import LabTask

CLASSES = (0, 1, 2)
FIRST_CHECK, CHECK_STEP, LAST_CHECK = 0.05, 0.1, 0.97
"""Shares of all work after which fairness is looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Of one run. Waits are seconds; NaN where there is no such task."""

    done: float
    """Share of the tasks that ended."""
    end: float
    """Beside its bound, as ``response``, the mean time from ready to ended."""
    response: float
    high_mean: float
    high_p99: float
    normal_mean: float
    normal_p99: float
    low_mean: float
    low_p99: float
    others_mean: float
    """Wait of all users but the one with the most tasks."""
    loads: float
    loads_per_task: float
    fairness: float
    tasks_per_second: float
    workflow: float
    """Mean seconds from the start of a workflow to its end."""
    redone: float
    """Calls that failed or were taken back."""


def mean_of(runs: Sequence[Metrics]) -> Metrics:
    return Metrics(
        **{field.name: statistics.fmean(getattr(run, field.name) for run in runs) for field in fields(Metrics)}
    )


def measure(sim: Simulation, workload: Workload) -> Metrics:
    own = [task for task in sim.tasks if not task.outsider]
    ended = [task for task in own if task.ended is not None]
    began = min(task.born for task in own)
    best = bounds(workload, sim.tasks)
    loads = sum(node.loads for node in sim.nodes)
    return Metrics(
        done=len(ended) / len(own),
        end=(sim.now - began) / (best.end - began),
        response=statistics.fmean(_ended(task) - task.ready for task in ended) / best.mean_response,
        loads=loads,
        loads_per_task=loads / len(own),
        fairness=fairness(own),
        tasks_per_second=len(ended) / (sim.now - began),
        workflow=_workflow_seconds(ended) if any(task.children for task in own) else math.nan,
        redone=sim.failures + sim.aborts,
        **_waits(ended),
    )


def _ended(task: LabTask) -> float:
    return task.ended or 0.0


def _waits(ended: Sequence[LabTask]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, cls in zip(("high", "normal", "low"), CLASSES, strict=True):
        waits = [task.waited for task in ended if task.priority == cls]
        found[f"{name}_mean"] = statistics.fmean(waits) if waits else math.nan
        found[f"{name}_p99"] = percentile(waits, 0.99)
    most = Counter(task.user for task in ended).most_common(1)[0][0]
    others = [task.waited for task in ended if task.user != most]
    return {**found, "others_mean": statistics.fmean(others) if others else math.nan}


def percentile(values: Iterable[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else math.nan


def _workflow_seconds(ended: Iterable[LabTask]) -> float:
    last: dict[float, float] = defaultdict(float)
    for task in ended:
        last[task.workflow_at] = max(last[task.workflow_at], _ended(task))
    return statistics.fmean(end - start for start, end in last.items())


def fairness(own: Sequence[LabTask]) -> float:
    """Jain's index of what each user has received beside a fair share of what was done by then, over ten moments."""
    indices = []
    for received, shares in _moments(own):
        ratios = [received[user] / share for user, share in shares.items() if share > 0]
        indices.append(sum(ratios) ** 2 / (len(ratios) * sum(ratio * ratio for ratio in ratios)))
    return statistics.fmean(indices) if indices else 1.0


def _moments(own: Sequence[LabTask]) -> Iterator[tuple[dict[str, float], dict[str, float]]]:
    total = sum(task.work for task in own)
    coming = sorted(own, key=lambda task: task.ready)
    received: dict[str, float] = defaultdict(float)
    wanted: dict[str, float] = defaultdict(float)
    done, index, check = 0.0, 0, FIRST_CHECK
    for task in sorted((task for task in own if task.ended is not None), key=_ended):
        done += task.work
        received[task.user] += task.work
        if done < check * total or check > LAST_CHECK:
            continue
        check += CHECK_STEP
        while index < len(coming) and coming[index].ready <= _ended(task):
            wanted[coming[index].user] += coming[index].work
            index += 1
        yield received, fair_shares(wanted, done)


def fair_shares(wanted: dict[str, float], amount: float) -> dict[str, float]:
    """Max-min: nobody gets more than he wants, and the rest is shared evenly."""
    shares: dict[str, float] = {}
    users = sorted(wanted, key=wanted.__getitem__)
    for index, user in enumerate(users):
        shares[user] = min(wanted[user], amount / (len(users) - index))
        amount -= shares[user]
    return shares
