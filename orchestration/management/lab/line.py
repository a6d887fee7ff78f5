"""The tasks that wait in Drover, as the decision wants to see them: queues by model and class, first tasks by user."""

import heapq
from bisect import insort
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from orchestration.management.lab.work import LabTask
from orchestration.policy.fleet import COUNTED, ClassQueue, Head, LaneView

NUM_CTX = 4096
"""Of every task: the laboratory's models have one size each."""
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


def moment(seconds: float) -> datetime:
    return BEGINNING + timedelta(seconds=seconds)


class Line:
    """``avoid`` of a task is the node where it failed last."""

    def __init__(self) -> None:
        self._lanes: dict[tuple[str, ...], _Lane] = {}
        self._shares: dict[str, int] = {}
        self._avoid: dict[int, int] = {}

    def share(self, user: str) -> int:
        return self._shares.setdefault(user, len(self._shares))

    def add(self, task: LabTask, avoid: int | None = None) -> None:
        if avoid is not None:
            self._avoid[task.id] = avoid
        lane = self._lanes.setdefault(task.models, _Lane(len(self._lanes), task.models))
        lane.add(task, self._head(task))

    def remove(self, task: LabTask) -> None:
        self._lanes[task.models].remove(task, self.share(task.user))

    def lanes(self) -> list[LaneView]:
        return [view for lane in self._lanes.values() if (view := lane.view())]

    def heads(self, lane: int, priority: int, most: int) -> Sequence[Head]:
        return list(self._lanes.values())[lane].heads(priority, most)

    def _head(self, task: LabTask) -> Head:
        return Head(
            task_id=task.id,
            share=self.share(task.user),
            line_at=moment(task.workflow_at),
            avoid=self._avoid.get(task.id),
        )


class _Lane:
    def __init__(self, number: int, models: tuple[str, ...]) -> None:
        self._number, self._models = number, models
        self._waiting: dict[int, dict[int, Head]] = defaultdict(dict)
        """By priority and id of the task."""
        self._by_share: dict[int, dict[int, list[tuple[float, int]]]] = defaultdict(lambda: defaultdict(list))
        """By priority and share: age of the workflow and id, in order."""
        self._by_age: dict[int, list[tuple[float, int]]] = defaultdict(list)
        """By priority: since when a task is ready, and its id. The started are dropped once they are first."""

    def add(self, task: LabTask, head: Head) -> None:
        self._waiting[task.priority][task.id] = head
        insort(self._by_share[task.priority][head.share], (task.workflow_at, task.id))
        heapq.heappush(self._by_age[task.priority], (task.ready, task.id))

    def remove(self, task: LabTask, share: int) -> None:
        del self._waiting[task.priority][task.id]
        of_share = self._by_share[task.priority][share]
        of_share.remove((task.workflow_at, task.id))
        if not of_share:
            del self._by_share[task.priority][share]

    def view(self) -> LaneView | None:
        queues = {
            priority: ClassQueue(count=min(COUNTED, len(waiting)), oldest=moment(self._oldest(priority)))
            for priority, waiting in sorted(self._waiting.items())
            if waiting
        }
        if not queues:
            return None
        return LaneView(
            id=self._number, models=self._models, num_ctx=NUM_CTX, queues=queues, agent=None, type=self._models[0]
        )

    def _oldest(self, priority: int) -> float:
        ages, waiting = self._by_age[priority], self._waiting[priority]
        while ages[0][1] not in waiting:
            heapq.heappop(ages)
        return ages[0][0]

    def heads(self, priority: int, most: int) -> list[Head]:
        waiting = self._waiting[priority]
        return [waiting[number] for tasks in self._by_share[priority].values() for _, number in tasks[:most]]
