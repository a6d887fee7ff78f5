"""Why each waiting task waits, where it stands and when it may start.

What holds up a whole lane is read from the summary that the scheduler keeps of it; what concerns one task alone - a
step before it, a back-off, its user's limit, a pause of its class - is looked up here, in a fixed number of queries.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count
from django.utils import timezone

from orchestration.models import Attempt, Run, Task, TaskDependency, User
from orchestration.payloads import Wait, WaitingPayload
from orchestration.policy import outlook
from orchestration.policy.decision import Waits
from orchestration.policy.outlook import Ahead, Start
from orchestration.policy.prospects import OwnWaits
from orchestration.policy.states import UNFINISHED, Gate, PauseKind, TaskStatus
from orchestration.queries.lanes import pace_of
from orchestration.queries.line import places
from orchestration.queries.pauses import Paused, words

LONGEST_ERROR = 120
IN_LINE = frozenset(
    {
        Waits.BUSY,
        Waits.LOADING,
        Waits.DRAINING,
        Waits.NO_ROOM,
        Waits.WORKERS_FULL,
        Waits.AGENT_LIMIT,
        Waits.MODEL_LIMIT,
    }
)
"""Reasons that pass by themselves, first come first served: a place in line means something."""
NOTHING_RUNS = frozenset({Waits.NO_WORKER, Waits.REDIS_AWAY})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limit:
    """A user's own."""

    name: str
    most: int
    in_flight: int

    @property
    def reached(self) -> bool:
        return self.in_flight >= self.most


@dataclass(frozen=True, slots=True, kw_only=True)
class _Around:
    """What the tasks asked for have in common. Limits by share."""

    now: datetime
    pauses: Mapping[Paused, str]
    limits: Mapping[int, _Limit]
    places: Mapping[int, Ahead]


def waits(tasks: Sequence[Task], *, now: datetime | None = None) -> dict[int, Wait]:
    """By task id, for those that wait. Needs ``lane`` selected."""
    now = now or timezone.now()
    found = _steps([task.pk for task in tasks if task.status == TaskStatus.BLOCKED])
    found |= _held([task for task in tasks if task.status == TaskStatus.BLOCKED and task.ready_at])
    pending = [task for task in tasks if task.status == TaskStatus.PENDING]
    if pending:
        around = _around(pending, now)
        found |= {task.pk: _of_pending(task, around) for task in pending}
    for task in tasks:
        if task.status == TaskStatus.ASSIGNED:
            found[task.pk] = _plain(OwnWaits.STARTING, f"Starting on {task.node_name}")
    return found


def _around(pending: Iterable[Task], now: datetime) -> _Around:
    pauses = words()
    in_line = [task for task in pending if task.lane.waiting_code in IN_LINE]
    limits = _limits({task.share for task in pending})
    return _Around(
        now=now,
        pauses=pauses,
        limits={share: limit for share, limit in limits.items() if limit},
        places=places(
            in_line,
            limited={share for share, limit in limits.items() if limit},
            paused={int(key) for kind, key in pauses if kind == PauseKind.PRIORITY},
        ),
    )


def _limits(shares: Collection[int]) -> dict[int, _Limit | None]:
    """Of all users who have a limit; None where nobody asked."""
    rows = User.objects.exclude(max_concurrent_tasks=None).values_list("pk", "username", "max_concurrent_tasks")
    known = {pk: (name, most) for pk, name, most in rows}
    asked = known.keys() & shares
    in_flight = _in_flight(asked) if asked else {}
    return {
        pk: _Limit(name=name, most=most or 0, in_flight=in_flight.get(pk, 0)) if pk in asked else None
        for pk, (name, most) in known.items()
    }


def _in_flight(shares: Collection[int]) -> dict[int, int]:
    live = Attempt.objects.filter(ended_at=None, task__share__in=shares).order_by()
    return dict(live.values_list("task__share").annotate(Count("pk")))


def _of_pending(task: Task, around: _Around) -> Wait:
    if task.not_before:
        return _backing_off(task, around.now)
    code, limit = task.lane.waiting_code, around.limits.get(task.share)
    if code in NOTHING_RUNS:
        return _plain(code, task.lane.waiting_reason)
    if paused := _paused(task, around.pauses):
        return _plain(Waits.PAUSED, paused)
    if limit and limit.reached and (code in IN_LINE or code in ("", Waits.USER_LIMIT)):
        return _plain(Waits.USER_LIMIT, f"Limit of user {limit.name} {limit.in_flight}/{limit.most}")
    if code in IN_LINE:
        return _in_line(task, around, limit)
    if code in ("", Waits.PAUSED, Waits.USER_LIMIT):  # it is others that are held up
        return _plain(OwnWaits.UNDECIDED, "Waits for the scheduler")
    return _plain(code, task.lane.waiting_reason)


def _paused(task: Task, pauses: Mapping[Paused, str]) -> str:
    """Its class, its agent, or every model it may use. The lane's own words may be about another class."""
    of_task = pauses.get((PauseKind.PRIORITY, str(task.priority))) or pauses.get((PauseKind.AGENT, str(task.agent_id)))
    models = [pauses.get((PauseKind.MODEL, model)) for model in task.lane.models]
    return of_task or (models[0] if models and all(models) else None) or ""


def _backing_off(task: Task, now: datetime) -> Wait:
    left = (task.not_before - now).total_seconds() if task.not_before else 0
    if left <= 0:
        return _plain(OwnWaits.UNDECIDED, "Waits for the scheduler")
    after = f" after: {_first_line(task.error)}" if task.error else ""
    reason = f"Retry {task.tries + 1}/{task.max_tries} in {max(1, round(left))} s{after}"
    return Wait(reason, _detail(OwnWaits.BACKING_OFF, reason, start=Start(earliest=left, latest=None)))


def _in_line(task: Task, around: _Around, limit: _Limit | None) -> Wait:
    """The lane's words with this task's own place and start."""
    lane, now, ahead = task.lane, around.now, around.places.get(task.pk)
    summary = lane.outlook or {}
    start = outlook.expected_start(ahead, pace_of(lane, now)) if ahead else None
    if start and ahead and limit and limit.in_flight + ahead.least >= limit.most:
        start = Start(earliest=start.earliest, latest=None)
    detail = _detail(lane.waiting_code, lane.waiting_reason, ahead=ahead, start=start)
    detail["since"], detail["expected_seconds"] = summary.get("since"), summary.get("expected_seconds")
    return Wait(_sentence(detail, now), detail)


def _sentence(detail: WaitingPayload, now: datetime) -> str:
    told = detail["words"]
    if detail["since"]:
        passed = (now - datetime.fromisoformat(detail["since"])).total_seconds()
        told += f", {outlook.elapsed_words(passed, detail['expected_seconds'])}"
    when = ", ".join(filter(None, (detail["line"], detail["start"])))
    return f"{told} — {when}" if when else told


def _plain(code: str, reason: str) -> Wait:
    return Wait(reason, _detail(code, reason))


def _detail(code: str, reason: str, *, ahead: Ahead | None = None, start: Start | None = None) -> WaitingPayload:
    return WaitingPayload(
        code=str(code),
        words=reason,
        line=outlook.line_words(ahead),
        start=outlook.start_words(start) if code in IN_LINE else "",
        place=ahead.least + 1 if ahead else None,
        place_latest=ahead.most + 1 if ahead and ahead.most is not None else None,
        earliest_seconds=round(start.earliest, 1) if start else None,
        latest_seconds=round(start.latest, 1) if start and start.latest is not None else None,
        since=None,
        expected_seconds=None,
    )


def _first_line(text: str) -> str:
    line = text.partition("\n")[0]
    return line if len(line) <= LONGEST_ERROR else f"{line[: LONGEST_ERROR - 1]}…"


def _steps(task_ids: Collection[int]) -> dict[int, Wait]:
    if not task_ids:
        return {}
    edges = TaskDependency.objects.filter(task_id__in=task_ids, needs__status__in=UNFINISHED)
    rows = edges.select_related("task", "needs").only("task__run", "needs__run", "needs__position", "needs__title")
    needed: dict[int, list[tuple[int, str]]] = {}
    for edge in rows:
        needed.setdefault(edge.task_id, []).append(_needed_words(edge))
    return {task_id: _plain(OwnWaits.STEP, _step_words(sorted(steps))) for task_id, steps in needed.items()}


def _needed_words(edge: TaskDependency) -> tuple[int, str]:
    """What it waits for, after its place: a step of its run, or the task that embeds its documents."""
    if edge.task.run_id != edge.needs.run_id:
        return -1, f"task {edge.needs_id}: its passages are embedded"
    return edge.needs.position, f"step {edge.needs.position + 1} “{edge.needs.title}”"


def _held(tasks: Sequence[Task]) -> dict[int, Wait]:
    """Ready, but their run is paused or has as many in flight as it may."""
    if not tasks:
        return {}
    runs = Run.objects.only("paused_at", "paused_by_name", "max_parallel").in_bulk({task.run_id for task in tasks})
    limited = [run.pk for run in runs.values() if run.paused_at is None and run.max_parallel is not None]
    passed = _passed(limited) if limited else {}
    words = {run.pk: _run_words(run, passed.get(run.pk, 0)) for run in runs.values()}
    return {task.pk: words[task.run_id] for task in tasks if task.run_id in words}


def _passed(run_ids: Collection[int]) -> dict[int, int]:
    """By run: how many tasks it has let through that have not ended."""
    rows = Task.objects.filter(run__in=run_ids, gate=Gate.PASSED, status__in=UNFINISHED).order_by()
    return dict(rows.values_list("run_id").annotate(Count("pk")))


def _run_words(run: Run, passed: int) -> Wait:
    if run.paused_at is not None:
        return _plain(OwnWaits.RUN_PAUSED, f"Run paused by {run.paused_by_name}")
    if run.max_parallel is not None:
        return _plain(OwnWaits.RUN_LIMIT, f"Limit of this run {passed}/{run.max_parallel}")
    return _plain(OwnWaits.UNDECIDED, "Waits for the scheduler")


def _step_words(steps: Sequence[tuple[int, str]]) -> str:
    more = f" and {len(steps) - 1} more" if len(steps) > 1 else ""
    return f"Waits for {steps[0][1]}{more}"
