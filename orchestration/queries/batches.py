"""Batches: pages of them, how far one is, and its rows beside their answers."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

from django.db.models import Count, Max, Min, Q, Sum
from django.db.models.functions import Substr
from django.utils import timezone

from orchestration import events, payloads
from orchestration.errors import InvalidInput, NotFound
from orchestration.models import Run, Task
from orchestration.models.tasks import HEAVY
from orchestration.payloads import PUBLIC_STATUS, Progress
from orchestration.payloads.base import iso, owner_name, stamp
from orchestration.payloads.batches import BatchDetail, BatchPayload, BatchRow, EtaPayload, FailureGroup
from orchestration.policy.batches import RECENT_SECONDS, Groups, Numbers, eta
from orchestration.policy.states import UNFINISHED, Gate, RunKind, TaskStatus, TaskType
from orchestration.queries.filters import STATUSES, statuses_of
from orchestration.queries.ids import id_of
from orchestration.queries.waiting import waits

MOST_BATCHES = 100
PAGE_ROWS = 50
MOST_ROWS = 200
SHOWN = 400
DIMENSIONS_SHOWN = 4
_COUNTED = (TaskStatus.COMPLETED, TaskStatus.FAILED)
_NOT_SHOWN = tuple(name for name in HEAVY if name not in ("input", "messages", "vectors"))


@dataclass(slots=True, kw_only=True)
class _Sums:
    """Over the tasks of a run; ``ended`` and ``recently`` are rows that completed or failed."""

    counts: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    held: int = 0
    ended: int = 0
    recently: int = 0
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPage:
    """Rows in their order. The cursors lead to later and to earlier ones."""

    rows: list[BatchRow]
    next_cursor: str | None
    prev_cursor: str | None


def batches(*, limit: int = 25, cursor: str | None = None) -> tuple[list[BatchPayload], str | None]:
    """Newest first, and the cursor to older ones."""
    limit = max(1, min(limit, MOST_BATCHES))
    at = _read_cursor(cursor)[1]
    rows = Run.objects.filter(kind=RunKind.BATCH).select_related("owner").order_by("-pk")
    found = list((rows if at is None else rows.filter(pk__lt=at))[: limit + 1])
    page, now = found[:limit], timezone.now()
    counts = _counts(page)
    open_runs = [run for run in page if any(counts[run.pk][1][word] for word in ("pending", "running"))]
    sums = {run.pk: _sums(run, now) for run in open_runs}
    shown = [_payload(run, sums.get(run.pk) or _ended(*counts[run.pk]), now) for run in page]
    return shown, f"b{page[-1].pk}" if len(found) > limit else None


def _counts(runs: Sequence[Run]) -> dict[int, tuple[int, Counter[str]]]:
    """By run: calls, and rows by public status word. A database counts tasks; rows that share one are counted here."""
    found: dict[int, tuple[int, Counter[str]]] = {run.pk: (0, Counter()) for run in runs}
    groups = {run.pk: Groups(run.spec["sizes"]) for run in runs if run.spec.get("sizes")}
    plain = Task.objects.filter(run__in=[run.pk for run in runs if run.pk not in groups]).order_by()
    pairs = [
        (pk, status, count, count) for pk, status, count in plain.values_list("run", "status").annotate(Count("pk"))
    ]
    shared = Task.objects.filter(run__in=list(groups)).order_by().values_list("run", "status", "position")
    pairs += [(pk, status, 1, groups[pk].size(position)) for pk, status, position in shared]
    for pk, status, calls, rows in pairs:
        before, counts = found[pk]
        counts[PUBLIC_STATUS[TaskStatus(status)]] += rows
        found[pk] = (before + calls, counts)
    return found


def _ended(calls: int, counts: Counter[str]) -> _Sums:
    return _Sums(counts=counts, calls=calls)


def get_batch(run_id: int) -> Run:
    run = Run.objects.select_related("owner").filter(pk=run_id, kind=RunKind.BATCH).first()
    if run is None:
        raise NotFound(f"There is no batch {run_id}.")
    return run


def batch_detail(run_id: int) -> BatchDetail:
    """How far it is. One query over its tasks, and one each for what runs and for what failed."""
    run, now = get_batch(run_id), timezone.now()
    sums = _sums(run, now)
    unfinished = sums.counts["pending"] + sums.counts["running"]
    return BatchDetail(
        **_payload(run, sums, now),
        held=sums.held,
        prompt_tokens=sums.prompt_tokens,
        output_tokens=sums.output_tokens,
        tokens_per_second=_speed(run) if sums.counts["running"] else None,
        started_at=iso(sums.started_at),
        ended_at=None if unfinished else iso(sums.ended_at),
        failures=_failures(run) if sums.counts["failed"] else [],
    )


def _payload(run: Run, sums: _Sums, now: datetime) -> BatchPayload:
    counts = {word: sums.counts[word] for word in STATUSES}
    status = payloads.run_status(counts, paused=run.paused_at is not None)
    return BatchPayload(
        id=run.pk,
        title=run.title,
        type=run.spec.get("type", ""),
        agent=run.agent_name,
        agent_id=run.agent_id,
        owner=owner_name(run),
        owner_id=run.owner_id,
        status=status,
        dry_run=bool(run.spec.get("dry_run")),
        rows=sum(counts.values()),
        calls=sums.calls,
        counts=counts,
        skipped=sum(last - first + 1 for first, last in run.spec.get("skipped", ())),
        eta=None if run.paused_at is not None else _eta(sums, now),
        max_parallel=run.max_parallel,
        stop_failed_percent=run.stop_failed_percent,
        paused_at=iso(run.paused_at),
        paused_by=run.paused_by_name or None,
        stopped_reason=run.stopped_reason or None,
        created_at=stamp(run.created_at),
    )


def _eta(sums: _Sums, now: datetime) -> EtaPayload | None:
    if sums.started_at is None:
        return None
    over = (now - sums.started_at).total_seconds()
    left = sums.counts["pending"] + sums.counts["running"]
    recent_over = min(over, RECENT_SECONDS)
    found = eta(left=left, ended=sums.ended, over=over, recently=sums.recently, recent_over=recent_over)
    if found is None:
        return None
    return EtaPayload(seconds=found.seconds, earliest_seconds=found.earliest, latest_seconds=found.latest)


def _sums(run: Run, now: datetime) -> _Sums:
    recent = Q(ended_at__gte=now - timedelta(seconds=RECENT_SECONDS))
    rows = Task.objects.filter(run=run).order_by()
    groups = Groups(run.spec.get("sizes"))
    by = ("status", "position") if groups.largest > 1 else ("status",)
    totals = rows.values(*by).annotate(
        calls=Count("pk"),
        held=Count("pk", filter=Q(gate=Gate.HELD)),
        recently=Count("pk", filter=recent),
        prompt=Sum("prompt_tokens"),
        output=Sum("output_tokens"),
        first=Min("started_at"),
        last=Max("ended_at"),
    )
    sums = _Sums()
    for part in totals:
        _add(sums, part, groups.size(part["position"]) if groups.largest > 1 else 1)
    return sums


def _add(sums: _Sums, part: Mapping[str, object], size: int) -> None:
    """``part``: of the tasks of one status; of one task where several rows share one."""
    status, calls = TaskStatus(str(part["status"])), cast(int, part["calls"])
    sums.counts[PUBLIC_STATUS[status]] += calls * size
    sums.calls += calls
    sums.held += cast(int, part["held"]) * size if status == TaskStatus.BLOCKED else 0
    if status in _COUNTED:
        sums.ended += calls * size
        sums.recently += cast(int, part["recently"]) * size
    for name, value in (("prompt_tokens", part["prompt"]), ("output_tokens", part["output"])):
        if value is not None:
            setattr(sums, name, (getattr(sums, name) or 0) + cast(int, value))
    first, last = cast(datetime | None, part["first"]), cast(datetime | None, part["last"])
    sums.started_at = min(filter(None, (sums.started_at, first)), default=None)
    sums.ended_at = max(filter(None, (sums.ended_at, last)), default=None)


def _speed(run: Run) -> float | None:
    """Of all its answers together, as their workers last told."""
    running = Task.objects.filter(run=run, status=TaskStatus.RUNNING).values_list("pk", flat=True)
    told = [value.get("tokens_per_second") for value in events.read_progress(running).values()]
    known = [speed for speed in told if speed is not None]
    return sum(known) if known else None


def _failures(run: Run) -> list[FailureGroup]:
    failed = Task.objects.filter(run=run, status=TaskStatus.FAILED).order_by()
    groups = Groups(run.spec.get("sizes"))
    counts: Counter[str] = Counter()
    examples: dict[str, str] = {}
    found = failed.values_list("error_code", "position", "error") if groups.largest > 1 else ()
    for code, position, error in found:
        counts[code] += groups.size(position)
        examples[code] = error
    if groups.largest == 1:
        for code, count, error in failed.values_list("error_code").annotate(Count("pk"), Min("error")):
            counts[code], examples[code] = count, error
    return [FailureGroup(code=code, rows=n, example=examples[code][:SHOWN]) for code, n in counts.most_common()]


def batch_rows(
    run: Run, *, cursor: str | None = None, limit: int = PAGE_ROWS, status: str = "", error_code: str = ""
) -> BatchPage:
    """One page; whole tasks, so that of embeddings there may be more rows than ``limit``."""
    rows = Task.objects.filter(run=run)
    if status:
        rows = rows.filter(status__in=_known(status))
    if error_code:
        rows = rows.filter(error_code=error_code)
    backwards, at = _read_cursor(cursor)
    most = max(1, min(limit, MOST_ROWS) // Groups(run.spec.get("sizes")).largest)
    if backwards:
        ids = list(rows.filter(position__lt=at).order_by("-position").values_list("pk", flat=True)[: most + 1])
        more_before, more_after, ids = len(ids) > most, True, ids[:most][::-1]
    else:
        rows = rows if at is None else rows.filter(position__gt=at)
        ids = list(rows.order_by("position").values_list("pk", flat=True)[: most + 1])
        more_before, more_after, ids = at is not None, len(ids) > most, ids[:most]
    tasks = _tasks(ids)
    return BatchPage(
        rows=_rows_of(run, tasks),
        next_cursor=f"b{tasks[-1].position}" if tasks and more_after else None,
        prev_cursor=f"a{tasks[0].position}" if tasks and more_before else None,
    )


def _known(status: str) -> list[str]:
    if status not in STATUSES:
        raise InvalidInput(f"There is no status {status[:40]!r}. It is one of {', '.join(STATUSES)}.", filter="status")
    return statuses_of(frozenset({status}))


def _read_cursor(cursor: str | None) -> tuple[bool, int | None]:
    if not cursor:
        return False, None
    at = 0 if cursor[1:] == "0" else id_of(cursor[1:])
    if cursor[0] not in "ab" or at is None:
        raise InvalidInput("This cursor was not made here; leave it out for the first page.", field="cursor")
    return cursor[0] == "a", at


def batch_rows_by_task(run: Run, task_ids: Collection[int]) -> list[BatchRow]:
    """Of these tasks of the batch, in their order."""
    return _rows_of(run, [task for task in _tasks(task_ids) if task.run_id == run.pk])


def _tasks(ids: Collection[int]) -> list[Task]:
    rows = Task.objects.filter(pk__in=ids).select_related("owner", "lane").defer(*_NOT_SHOWN)
    return list(rows.annotate(begins=Substr("output", 1, SHOWN + 1)).order_by("position"))


def _rows_of(run: Run, tasks: Sequence[Task]) -> list[BatchRow]:
    running = [task.pk for task in tasks if task.status == TaskStatus.RUNNING]
    progress = cast(dict[int, Progress], events.read_progress(running))
    waiting = waits([task for task in tasks if task.status in UNFINISHED])
    groups, numbers = Groups(run.spec.get("sizes")), Numbers(run.spec.get("skipped", ()))
    rows = []
    for task in tasks:
        row = payloads.task_row(task, progress=progress.get(task.pk), wait=waiting.get(task.pk))
        first = groups.first(task.position)
        for offset, (text, answer, reference) in enumerate(_texts(task)):
            rows.append(_row(row, f"{task.pk}.{offset}", numbers.of(first + offset), text, answer, reference))
    return rows


def _row(task: payloads.TaskRow, key: str, number: int, text: str, answer: str, reference: str) -> BatchRow:
    return BatchRow(
        key=key,
        number=number,
        task_id=task["id"],
        version=task["version"],
        client_ref=reference,
        input=_cut(text),
        output=_cut(answer),
        state=task["state"],
        status=task["status"],
        message=task["waiting_reason"] or task["message"],
        progress=task["progress"],
        attempt_id=task["attempt_id"],
        error_code=task["error_code"],
        error=task["error"] and _cut(task["error"]),
        seconds=task["duration_seconds"],
        output_tokens=task["output_tokens"],
        model=task["model"],
        node=task["node"],
    )


def _texts(task: Task) -> Iterable[tuple[str, str, str]]:
    """For each row of the task: what it asks, how its answer begins, and the reference that it came with."""
    if task.type == TaskType.EMBED:
        texts = task.input if isinstance(task.input, list) else [task.input]
        notes = notes_of(task, len(texts))
        vectors = task.vectors or [None] * len(texts)
        return [
            (text, described(vector), str(note["client_ref"]))
            for text, vector, note in zip(texts, vectors, notes, strict=False)
        ]
    return [(asked(task), task.begins, task.client_ref)]  # type: ignore[attr-defined]


def notes_of(task: Task, count: int) -> list[dict[str, object]]:
    """What the rows of an embedding came with."""
    return task.metadata.get("rows") or [{"client_ref": "", "metadata": {}}] * count


def asked(task: Task) -> str:
    """The prompt, or what a person said last."""
    if task.messages is None:
        return task.input if isinstance(task.input, str) else "\n".join(task.input)
    said = [message.get("content", "") for message in task.messages if message.get("role") == "user"]
    return said[-1] if said else ""


def described(vector: Sequence[float] | None) -> str:
    if not vector:
        return ""
    head = ", ".join(f"{value:.4f}" for value in vector[:DIMENSIONS_SHOWN])
    return f"{len(vector)} dimensions: {head}, …"


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
