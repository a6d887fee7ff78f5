"""Tasks and runs: pages of rows, counts, facets, details."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from django.db.models import Count
from django.utils import timezone

from orchestration import events, payloads
from orchestration.errors import InvalidInput, NotFound
from orchestration.models import Run, Task
from orchestration.payloads import PUBLIC_STATUS, Progress, RunPayload, TaskPayload, TaskRow
from orchestration.policy.states import UNFINISHED, Priority, RunKind, TaskStatus
from orchestration.queries import in_force
from orchestration.queries.filters import STATUSES, TaskFilter
from orchestration.queries.ids import id_of
from orchestration.queries.waiting import waits

MOST_ROWS = 200

Facets = dict[str, list[tuple[str, str, int]]]
"""By field: (value for the filter, label, number of tasks), most first; statuses in their usual order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Rows newest first. The cursors lead to older and to newer rows; None at either end."""

    rows: list[TaskRow]
    next_cursor: str | None
    prev_cursor: str | None


def task_rows(task_filter: TaskFilter, *, limit: int = 50, cursor: str | None = None) -> Page:
    """One page. ``cursor`` as an earlier page gave it; raises InvalidInput for any other."""
    limit = max(1, min(limit, MOST_ROWS))
    rows = task_filter.apply(Task.objects.light())
    newer, at = _read_cursor(cursor)
    if newer:
        found = list(rows.filter(pk__gt=at).order_by("pk")[: limit + 1])
        more_newer, more_older = len(found) > limit, True
        found = found[:limit][::-1]
    else:
        found = list((rows.filter(pk__lt=at) if at else rows).order_by("-pk")[: limit + 1])
        more_newer, more_older = at is not None, len(found) > limit
        found = found[:limit]
    return Page(
        rows=_as_rows(found),
        next_cursor=f"b{found[-1].pk}" if found and more_older else None,
        prev_cursor=f"a{found[0].pk}" if found and more_newer else None,
    )


def _read_cursor(cursor: str | None) -> tuple[bool, int | None]:
    if not cursor:
        return False, None
    at = id_of(cursor[1:])
    if cursor[0] not in "ab" or at is None:
        raise InvalidInput("This cursor was not made here; leave it out for the first page.", field="cursor")
    return cursor[0] == "a", at


def task_rows_by_id(task_ids: Iterable[int]) -> list[TaskRow]:
    """Rows of these tasks, newest first; ids that are gone are left out."""
    ids = list(task_ids)
    return _as_rows(list(Task.objects.light().filter(pk__in=ids).order_by("-pk"))) if ids else []


def _progress(tasks: Sequence[Task]) -> dict[int, Progress]:
    running = [task.pk for task in tasks if task.status == TaskStatus.RUNNING]
    return {task_id: cast(Progress, value) for task_id, value in events.read_progress(running).items()}


def _as_rows(tasks: Sequence[Task]) -> list[TaskRow]:
    progress = _progress(tasks)
    waiting = waits(tasks)
    return [payloads.task_row(task, progress=progress.get(task.pk), wait=waiting.get(task.pk)) for task in tasks]


def task_counts() -> dict[str, int]:
    """By public status word, and ``failed_last_hour``."""
    counts = _by_public_word(Task.objects.order_by().values_list("status").annotate(Count("pk")))
    since = timezone.now() - timedelta(hours=1)
    counts["failed_last_hour"] = Task.objects.filter(status=TaskStatus.FAILED, ended_at__gte=since).count()
    return counts


def _by_public_word(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    counts = dict.fromkeys(STATUSES, 0)
    for status, number in pairs:
        counts[PUBLIC_STATUS[TaskStatus(status)]] += number
    return counts


_FACETS = ("status", "model", "node", "agent", "owner", "priority", "type")


def facets(task_filter: TaskFilter) -> Facets:
    """What the tasks are like, field by field, under all other fields of the filter. One query for all of them."""
    only_text = TaskFilter(tag=task_filter.tag, run=task_filter.run, text=task_filter.text)
    columns = ("status", "model_used", "model_name", "node_name", "agent_name", "owner__username", "priority", "type")
    groups = [
        (_facet_values(row), row[-1])
        for row in only_text.apply(Task.objects.all()).order_by().values_list(*columns).annotate(Count("pk"))
    ]
    wanted = {name: values for name, values in task_filter.sets().items() if name in _FACETS and values}
    return {name: _facet(name, groups, wanted) for name in _FACETS}


def _facet_values(row: tuple[object, ...]) -> dict[str, str]:
    status, used, named, node, agent, owner, priority, task_type, _ = row
    return {
        "status": PUBLIC_STATUS[TaskStatus(str(status))],
        "model": str(used or named),
        "node": str(node),
        "agent": str(agent),
        "owner": str(owner or ""),
        "priority": str(priority),
        "type": str(task_type),
    }


def _facet(
    name: str, groups: list[tuple[dict[str, str], int]], wanted: dict[str, frozenset[str]]
) -> list[tuple[str, str, int]]:
    others = {field: values for field, values in wanted.items() if field != name}
    counts: Counter[str] = Counter()
    for values, number in groups:
        if all(values[field] in allowed for field, allowed in others.items()):
            counts[values[name]] += number
    if name == "status":
        return [(word, word, counts[word]) for word in STATUSES]
    named = [(value, _label(name, value), number) for value, number in counts.most_common() if value]
    return sorted(named) if name == "priority" else named


def _label(name: str, value: str) -> str:
    return Priority(int(value)).name.lower() if name == "priority" else value


def get_task(task_id: int) -> Task:
    task = Task.objects.select_related("owner", "lane", "run").filter(pk=task_id).first()
    if task is None:
        raise NotFound(f"There is no task {task_id}.")
    return task


def task_detail(task_id: int) -> TaskPayload:
    """The task with its attempts, the latest first."""
    task = get_task(task_id)
    progress = _progress([task])
    detail = payloads.task_payload(task, progress=progress.get(task_id), wait=waits([task]).get(task_id))
    detail["attempt_list"] = [payloads.attempt(attempt) for attempt in task.attempts.all()]
    detail["in_force"] = in_force.of_task(task)
    return detail


def get_run(run_id: int) -> Run:
    run = Run.objects.select_related("owner").filter(pk=run_id).first()
    if run is None:
        raise NotFound(f"There is no run {run_id}.")
    return run


def run_counts(run_id: int) -> dict[str, int]:
    """Tasks of a run by public status word."""
    return _by_public_word(Task.objects.filter(run_id=run_id).order_by().values_list("status").annotate(Count("pk")))


def unfinished_in_run(run_id: int) -> int:
    return Task.objects.filter(run_id=run_id, status__in=UNFINISHED).count()


def run_detail(run_id: int) -> RunPayload:
    """The run with all its tasks in the order given, and the results of those that completed."""
    run = get_run(run_id)
    tasks = list(Task.objects.filter(run=run).select_related("owner", "lane").order_by("position"))
    progress = _progress(tasks)
    waiting = waits(tasks)
    detail = payloads.run(run, counts=_by_public_word((task.status, 1) for task in tasks))
    detail["tasks"] = [
        payloads.task_payload(task, progress=progress.get(task.pk), wait=waiting.get(task.pk)) for task in tasks
    ]
    detail["results"] = [payloads.result(task) for task in tasks if task.status == TaskStatus.COMPLETED]
    return detail


def run_summary(run_id: int) -> RunPayload:
    """The run with its counts, without its tasks."""
    return payloads.run(get_run(run_id), counts=run_counts(run_id))


def runs(
    *, limit: int = 50, cursor: str | None = None, kind: RunKind | None = None
) -> tuple[list[RunPayload], str | None]:
    """Runs newest first with their counts, and the cursor to older ones."""
    limit = max(1, min(limit, MOST_ROWS))
    _, at = _read_cursor(cursor)
    rows = Run.objects.select_related("owner").filter(**({"kind": kind} if kind else {}))
    found = list((rows.filter(pk__lt=at) if at else rows)[: limit + 1])
    counts: dict[int, list[tuple[str, int]]] = {}
    grouped = Task.objects.filter(run__in=found[:limit]).order_by().values_list("run_id", "status")
    for run_id, status, number in grouped.annotate(Count("pk")):
        counts.setdefault(run_id, []).append((status, number))
    page = [payloads.run(run, counts=_by_public_word(counts.get(run.pk, ()))) for run in found[:limit]]
    return page, f"b{found[limit - 1].pk}" if len(found) > limit else None
