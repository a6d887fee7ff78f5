"""Where waiting tasks stand in their lines.

A line is a lane and all that compete with it for the same models. Four statements, five with several users, however
many tasks are asked for; each hops along the partial index of what is ready and reads a bounded number of entries.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q

from orchestration.models import Lane, OutputEstimate, ShareAccount, Task
from orchestration.policy.decision import Waits
from orchestration.policy.estimates import OUTPUT_TOKENS
from orchestration.policy.outlook import MOST_COUNTED, Ahead, others_ahead
from orchestration.policy.states import TaskStatus
from orchestration.queries.ready import READY, moment, rows

READ_AT_MOST = 20_000
QUEUES_AT_MOST = 300
"""SQLite joins no more than 500 selects."""
BEYOND = 1_000_000

Queue = tuple[int, int, int]
"""(lane id, priority, share)."""

_COUNTS = f"""
WITH RECURSIVE pairs(lane, priority) AS (VALUES {{pairs}}), queues(lane, priority, share) AS (
    SELECT lane, priority, (SELECT MIN(share) FROM orchestration_task {{by_share}}
        WHERE {READY} AND lane_id = pairs.lane AND priority = pairs.priority) FROM pairs
    UNION ALL
    SELECT lane, priority, (SELECT MIN(share) FROM orchestration_task {{by_share}}
        WHERE {READY} AND lane_id = queues.lane AND priority = queues.priority AND share > queues.share)
    FROM queues WHERE share IS NOT NULL
)
SELECT lane, priority, share, (SELECT COUNT(*) FROM (
    SELECT 1 FROM orchestration_task {{by_share}}
    WHERE {READY} AND lane_id = queues.lane AND priority = queues.priority AND share = queues.share
    LIMIT {MOST_COUNTED}) AS counted)
FROM queues WHERE share IS NOT NULL
"""
_FIRSTS = f"""
SELECT * FROM (
    SELECT lane_id, priority, share, line_at, id FROM orchestration_task {{by_share}}
    WHERE {READY} AND lane_id = %s AND priority = %s AND share = %s ORDER BY line_at, id LIMIT %s
) AS firsts
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lane:
    id: int
    agent: int | None
    type: str
    models: frozenset[str]
    code: str
    node: int | None = None

    def competes(self, other: "_Lane") -> bool:
        """For the slots of a model, or for those of the agent where they are what lacks."""
        if other.code == Waits.PAUSED:
            return False
        same_agent = self.agent is not None and self.agent == other.agent
        apart = None not in (self.node, other.node) and self.node != other.node
        return bool(not apart and self.models & other.models) or (same_agent and self.code == Waits.AGENT_LIMIT)


@dataclass(slots=True, kw_only=True)
class _Firsts:
    """The first of a queue in their order. ``full``: there may be more than were read."""

    rows: list[tuple[Any, int]] = field(default_factory=list)
    places: dict[int, int] = field(default_factory=dict)
    full: bool = False

    def before(self, task: Task) -> int:
        return bisect_left(self.rows, (task.line_at, task.pk), key=lambda row: (moment(row[0]), row[1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Others:
    """Who may go before a user's own tasks of one lane and class: of higher classes, None beyond counting, and of
    other users of the same class, as (tokens received, tasks)."""

    least: int
    most: int | None
    same_class: list[tuple[float, int]]


class _Lines:
    """What all the tasks asked for have in common."""

    def __init__(self, tasks: Sequence[Task], limited: Collection[int], paused: Collection[int]) -> None:
        self._limited = limited
        self._lanes = _lanes({task.lane_id for task in tasks})
        self._lines = {lane_id: self._line(lane_id) for lane_id in {task.lane_id for task in tasks}}
        lanes = {other for line in self._lines.values() for other in line}
        classes = [it for it in range(max(task.priority for task in tasks) + 1) if it not in paused]
        self._counts = _counts([(lane, priority) for lane in sorted(lanes) for priority in classes])
        self._firsts = _firsts(self._wanted(tasks))
        self._others: dict[Queue, _Others] = {}
        shares = {share for queue in self._counts.values() for share in queue}
        several = len(shares) > 1
        self._service: dict[int, float] = _service(shares) if several else {}
        self._work = _work({lane.agent for lane in self._lanes.values()}) if several else {}

    def _line(self, lane_id: int) -> list[int]:
        own = self._lanes[lane_id]
        return [lane_id, *(other.id for other in self._lanes.values() if other.id != lane_id and own.competes(other))]

    def _wanted(self, tasks: Iterable[Task]) -> list[Queue]:
        """The queues in which a user's own tasks stand; the lanes of the tasks themselves come first."""
        keys = {(task.lane_id, task.priority, task.share) for task in tasks}
        rivals = {(lane, priority, share) for own, priority, share in keys for lane in self._lines[own]} - keys
        there = [key for key in [*sorted(keys), *sorted(rivals)] if key[2] in self._counts.get(key[:2], {})]
        return there[:QUEUES_AT_MOST]

    def place(self, task: Task) -> Ahead | None:
        firsts = self._firsts.get((task.lane_id, task.priority, task.share))
        place = firsts.places.get(task.pk) if firsts else None
        if firsts is None or (place is None and not firsts.full):
            return None
        around = self._around(task)
        if place is None:
            return Ahead(least=len(firsts.rows) + around.least, most=None)
        return Ahead(least=place + around.least, most=self._most(task, place, around))

    def _most(self, task: Task, place: int, around: _Others) -> int | None:
        before = [self._before(task, lane) for lane in self._lines[task.lane_id][1:]]
        if around.most is None or None in before:
            return None
        mine = place + sum(count for count in before if count)
        lane = self._lanes[task.lane_id]
        work = self._work.get((lane.agent, lane.type), OUTPUT_TOKENS)
        service = self._service.get(task.share, 0.0)
        return around.most + mine + others_ahead(mine, service, around.same_class, work)

    def _before(self, task: Task, lane: int) -> int | None:
        """The user's own tasks that are before it in another lane; None beyond counting."""
        if task.share not in self._counts.get((lane, task.priority), {}):
            return 0
        firsts = self._firsts.get((lane, task.priority, task.share))
        if firsts is None:
            return None
        before = firsts.before(task)
        return None if firsts.full and before == len(firsts.rows) else before

    def _around(self, task: Task) -> _Others:
        """The same for all tasks of a queue."""
        queue = (task.lane_id, task.priority, task.share)
        if queue not in self._others:
            self._others[queue] = _Others(
                least=self._surely_before(task), most=self._higher(task), same_class=self._same_class(task)
            )
        return self._others[queue]

    def _surely_before(self, task: Task) -> int:
        """Of a higher class in its own lane; a user with a limit may not go when it is their turn."""
        queues = [self._counts.get((task.lane_id, priority), {}) for priority in range(task.priority)]
        return sum(count for queue in queues for share, count in queue.items() if share not in self._limited)

    def _higher(self, task: Task) -> int | None:
        line, classes = self._lines[task.lane_id], range(task.priority)
        queues = [self._counts.get((lane, priority), {}) for lane in line for priority in classes]
        counts = [count for queue in queues for count in queue.values()]
        return None if any(count >= MOST_COUNTED for count in counts) else sum(counts)

    def _same_class(self, task: Task) -> list[tuple[float, int]]:
        counts: dict[int, int] = defaultdict(int)
        for lane in self._lines[task.lane_id]:
            for share, count in self._counts.get((lane, task.priority), {}).items():
                counts[share] += count if count < MOST_COUNTED else BEYOND
        counts.pop(task.share, None)
        return [(self._service.get(share, 0.0), count) for share, count in counts.items()]


def places(tasks: Iterable[Task], *, limited: Collection[int], paused: Collection[int]) -> dict[int, Ahead]:
    """How many start before each, of those tasks that could start.

    ``limited``: users with a limit of their own, who may not go when it is their turn. ``paused``: classes that do not.
    """
    ready = [task for task in tasks if task.status == TaskStatus.PENDING and task.not_before is None]
    ready = [task for task in ready if task.priority not in paused]
    if not ready:
        return {}
    lines = _Lines(ready, limited, paused)
    found = {task.pk: lines.place(task) for task in ready}
    return {task_id: ahead for task_id, ahead in found.items() if ahead is not None}


def _lanes(wanted: Collection[int]) -> dict[int, _Lane]:
    """Those asked for, and all in which somebody waits. Errands, which have no context, need no slot of a model."""
    rows = Lane.objects.filter(Q(pk__in=wanted) | ~Q(waiting_code=""))
    return {
        pk: _Lane(id=pk, agent=agent, type=kind, models=frozenset(models if num_ctx else ()), code=code, node=node)
        for pk, agent, kind, models, num_ctx, code, node in rows.values_list(
            "pk", "agent_id", "type", "models", "num_ctx", "waiting_code", "node_id"
        )
    }


def _counts(pairs: Sequence[tuple[int, int]]) -> dict[tuple[int, int], dict[int, int]]:
    """By lane and priority: how many of each user wait."""
    counts: dict[tuple[int, int], dict[int, int]] = defaultdict(dict)
    values = ", ".join(["(%s, %s)"] * len(pairs))
    for lane, priority, share, count in rows(_COUNTS, [value for pair in pairs for value in pair], {"pairs": values}):
        counts[lane, priority][share] = count
    return dict(counts)


def _firsts(queues: Sequence[Queue]) -> dict[Queue, _Firsts]:
    if not queues:
        return {}
    most = min(MOST_COUNTED, READ_AT_MOST // len(queues))
    found: dict[Queue, _Firsts] = {queue: _Firsts() for queue in queues}
    query = " UNION ALL ".join([_FIRSTS] * len(queues))
    for lane, priority, share, line_at, pk in rows(query, [value for queue in queues for value in (*queue, most)]):
        firsts = found[lane, priority, share]
        firsts.places[pk] = len(firsts.rows)
        firsts.rows.append((line_at, pk))
        firsts.full = len(firsts.rows) >= most
    return found


def _service(shares: Collection[int]) -> dict[int, float]:
    """Tokens that each has received."""
    return dict(ShareAccount.objects.filter(pk__in=shares).values_list("share", "service"))


def _work(agents: Collection[int | None]) -> Mapping[tuple[int | None, str], float]:
    rows = OutputEstimate.objects.filter(agent__in=[agent for agent in agents if agent is not None])
    return {(agent, kind): tokens for agent, kind, tokens in rows.values_list("agent_id", "type", "tokens")}
