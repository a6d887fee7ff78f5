"""What no schedule can beat, not even one that knows every length: lower bounds for the end and the mean response."""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

from orchestration.management.lab.simulation import Workload
from orchestration.management.lab.work import NEIGHBOUR_SLOWDOWN, LabTask, NodeNumbers

BISECTIONS = 60
SLACK_SECONDS = 1e3
EPSILON = 1e-12


@dataclass(frozen=True, slots=True)
class Bounds:
    end: float
    mean_response: float


def bounds(workload: Workload, tasks: Sequence[LabTask]) -> Bounds:
    """``end``: all nodes a fluid at their best rate, each after its first load, and the longest chain of steps.
    ``mean_response``: every task alone on the fastest idle node, and shortest-remaining-first on the fluid."""
    pool = _Pool(workload, sorted((task for task in tasks if not task.outsider), key=lambda task: task.born))
    ready, longest_chain = pool.earliest_starts()
    end = max(pool.fluid_end(), longest_chain)
    return Bounds(end, max(pool.shortest_first_response(ready), pool.mean_alone()))


class _Pool:
    """All nodes of a workload as one fluid, and its own tasks by age."""

    def __init__(self, workload: Workload, own: list[LabTask]) -> None:
        self._models, self._nodes, self._own = workload.models, workload.nodes, own
        self._sizes = sorted(self._models[name].gb for name in {name for task in own for name in task.models})
        self._rates = [node.speed * _runners_rate(self._most_models(node)) for node in self._nodes]
        self._capacity = sum(self._rates)
        self._first_loads = [node.load_seconds(self._sizes[0]) for node in self._nodes]
        self._began = own[0].born

    def _most_models(self, node: NodeNumbers) -> int:
        sums = (sum(self._sizes[:count]) for count in range(len(self._sizes), 0, -1))
        fitting = (len(self._sizes) - index for index, total in enumerate(sums) if total <= node.vram_gb)
        return next(fitting, 0)

    def _batched(self, task: LabTask) -> float:
        """Seconds in a full batch on a node of speed 1."""
        return min(task.work / self._models[name].batch_rate for name in task.models)

    def _alone(self, task: LabTask) -> float:
        fastest = max(node.speed for node in self._nodes)
        return min(task.work / self._models[name].tokens_per_second for name in task.models) / fastest

    def mean_alone(self) -> float:
        return sum(map(self._alone, self._own)) / len(self._own)

    def earliest_starts(self) -> tuple[dict[int, float], float]:
        """When each task can be ready at best, and when the last one has ended then. Children have larger ids."""
        ready: dict[int, float] = {}
        last = 0.0
        for task in sorted(self._own, key=lambda task: task.id):
            ended = ready.setdefault(task.id, task.born) + self._alone(task)
            last = max(last, ended)
            for child in task.children:
                ready[child.id] = max(ready.get(child.id, child.born), ended)
        return ready, last

    def fluid_end(self) -> float:
        """From every arrival on, the work that comes no earlier has to be done."""
        latest = work = 0.0
        for task in reversed(self._own):
            work += self._batched(task)
            loads = self._further_loads() if task is self._own[0] else 0.0
            latest = max(latest, self._drained(task.born, work + loads))
        return latest

    def _further_loads(self) -> float:
        """What must be loaded beyond one model for each node costs at least this much work."""
        needed = {task.models[0] for task in self._own if len(task.models) == 1}
        sizes = sorted(self._models[name].gb for name in needed)
        return sum(self._load_cost(gb) for gb in sizes[: max(0, len(sizes) - len(self._nodes))])

    def _load_cost(self, gb: float) -> float:
        costs = []
        for node in self._nodes:
            most = self._most_models(node)
            lost = _runners_rate(most) - _runners_rate(most - 1)
            costs.append(node.load_seconds(gb) * node.speed * lost)
        return min(costs)

    def _drained(self, since: float, work: float) -> float:
        """When work that is there ``since`` then can be done at best."""
        if since > self._began + max(self._first_loads):
            return since + work / self._capacity
        low, high = since, since + work / self._capacity + SLACK_SECONDS
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            low, high = (low, middle) if self._done_by(middle, since) >= work else (middle, high)
        return high

    def _done_by(self, moment: float, since: float) -> float:
        starts = [max(since, self._began + load) for load in self._first_loads]
        return sum(rate * max(0.0, moment - start) for rate, start in zip(self._rates, starts, strict=True))

    def shortest_first_response(self, ready: dict[int, float]) -> float:
        """Mean response when the whole pool always works on the task with the least left."""
        coming = sorted(self._own, key=lambda task: ready[task.id])
        left: list[float] = []
        now = ends = 0.0
        index = 0
        while index < len(coming) or left:
            if not left:
                now = max(now, ready[coming[index].id])
            while index < len(coming) and ready[coming[index].id] <= now + EPSILON:
                heapq.heappush(left, self._batched(coming[index]) / self._capacity)
                index += 1
            shortest = heapq.heappop(left)
            following = ready[coming[index].id] if index < len(coming) else math.inf
            if now + shortest <= following:
                now += shortest
                ends += now
            else:
                heapq.heappush(left, shortest - (following - now))
                now = following
        return (ends - sum(ready.values())) / len(self._own)


def _runners_rate(count: int) -> float:
    """Of several full batches side by side, in full batches alone."""
    return count / (1 + NEIGHBOUR_SLOWDOWN * (count - 1)) if count > 0 else 0.0
