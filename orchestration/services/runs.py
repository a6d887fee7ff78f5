"""Runs as people handle them: cancelled, paused, resumed, limited, done again; and the limits that end them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, F, Q, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from orchestration import events
from orchestration.errors import Conflict, InvalidInput, NotFound
from orchestration.models import Run, Task
from orchestration.permissions import SYSTEM, Action, Actor, require
from orchestration.policy.states import ENDED, UNFINISHED, WAITING, ErrandType, RunKind, TaskStatus
from orchestration.services import audit, bulk, gates
from orchestration.services.again import atomic_again
from orchestration.services.announce import announce_tasks
from orchestration.services.resume import AGAIN, put_back

TOLD_ONE_BY_ONE = 50
FEWEST_ENDED = 20
"""So many tasks have to end before a share of failures says anything; all of them where there are fewer."""
STOPPED = "run_stopped"
_LOOKS = 5
_LARGE = ("spec", "inputs", "report")
_OWN_ENDS = ("dependency_failed", STOPPED)
_STEPPED = (RunKind.WORKFLOW, RunKind.SEQUENCE, RunKind.BENCHMARK)


def cancel(*, actor: Actor, run_id: int) -> int:
    """Cancels whatever of the run has not ended, chunk by chunk. The number of tasks."""
    run = Run.objects.filter(pk=run_id).first()
    if run is None:
        raise NotFound(f"There is no run {run_id}.")
    require(actor, Action.CANCEL_TASK, run)
    cancelled = _cancel_unfinished(run, timezone.now())
    with transaction.atomic():
        audit.record(actor, "run.cancelled", run, tasks=len(cancelled))
        _tell(run, cancelled)
    return len(cancelled)


def _cancel_unfinished(run: Run, now: datetime) -> list[int]:
    """The last of them first: else each that ends would start the next. Again while a step has made items meanwhile."""
    rows = Task.objects.filter(run=run, status__in=UNFINISHED, cancel_requested_at=None).order_by("-pk")
    cancelled: list[int] = []
    for _ in range(_LOOKS):
        ids = list(rows.values_list("pk", flat=True))
        if not ids:
            break
        cancelled += bulk.in_chunks(ids, lambda chunk: bulk.cancel_tasks(chunk, now))
    return cancelled


@atomic_again
def pause(*, actor: Actor, run_id: int) -> Run:
    """Nothing more of the run starts; what runs goes on. Conflict when it has ended or is paused already."""
    run = _get(actor, Action.EDIT_TASK, run_id)
    if run.paused_at is not None:
        raise Conflict(f"Run {run_id} is paused already, by {run.paused_by_name}.")
    _check_unfinished(run)
    _change(run, paused_at=timezone.now(), paused_by_name=actor.name)
    audit.record(actor, "run.paused", run)
    return run


@atomic_again
def resume(*, actor: Actor, run_id: int) -> Run:
    """Conflict when it is not paused."""
    run = _get(actor, Action.EDIT_TASK, run_id)
    if run.paused_at is None:
        raise Conflict(f"Run {run_id} is not paused.")
    _change(run, paused_at=None, paused_by_name="")
    audit.record(actor, "run.resumed", run)
    return run


@atomic_again
def set_limits(*, actor: Actor, run_id: int, **limits: Any) -> Run:
    """``max_parallel`` and ``stop_failed_percent``, while it runs; None is none. InvalidInput, Conflict."""
    run = _get(actor, Action.EDIT_TASK, run_id)
    check_limits(**limits)
    _check_unfinished(run)
    before = {name: getattr(run, name) for name in limits}
    _change(run, **limits)
    audit.record(actor, "run.changed", run, changes=audit.changes(before, limits))
    return run


def check_limits(*, max_parallel: int | None = None, stop_failed_percent: float | None = None) -> None:
    if max_parallel is not None and not 1 <= max_parallel <= 10_000:
        raise InvalidInput("max_parallel is 1 to 10,000, or left out for no limit.", field="max_parallel")
    if stop_failed_percent is not None and not 0 <= stop_failed_percent <= 100:
        raise InvalidInput("stop_failed_percent is 0 to 100, or left out.", field="stop_failed_percent")


def _change(run: Run, **fields: Any) -> None:
    for name, value in fields.items():
        setattr(run, name, value)
    run.watched = run.has_limits
    run.save(update_fields=[*fields, "watched"])
    gates.regate(run)
    events.on_commit(("tasks_changed", {"run_id": run.pk}), ("run", {"id": run.pk}), wake=True)


def _check_unfinished(run: Run) -> None:
    if not run.tasks.filter(status__in=UNFINISHED).exists():
        raise Conflict(f"Run {run.pk} has ended.")


@atomic_again
def retry_failed(*, actor: Actor, run_id: int) -> int:
    """What failed is done again, with the steps that were not started because of it; what completed stays.

    In a run of steps also what somebody cancelled. The number of tasks; Conflict when there are none.
    """
    run = _get(actor, Action.RETRY_TASK, run_id)
    ended = run.tasks.filter(status__in=AGAIN)
    if run.kind not in _STEPPED:
        ended = ended.filter(Q(status=TaskStatus.FAILED) | Q(error_code__in=_OWN_ENDS))
    now = timezone.now()
    wanted = list(ended.values_list("pk", flat=True))
    if not wanted:
        raise Conflict(f"Nothing in run {run_id} has failed.")
    if not ended.filter(text_removed_at=None).exists():
        raise Conflict(f"The texts of what failed in run {run_id} were removed: nothing is left to ask.")
    if ended.filter(type__in=sorted(ErrandType)).exists():
        require(actor, Action.EDIT_MODEL)
    _forget_stop(run, now)
    again = put_back(run, wanted, now)
    if not again:
        raise Conflict(f"What failed in run {run_id} was for nodes that have been removed.")
    audit.record(actor, "run.retried", run, tasks=len(again))
    _tell(run, sorted(again))
    return len(again)


def _forget_stop(run: Run, now: datetime) -> None:
    """A limit that ended it counts anew."""
    if run.deadline_at is not None:
        run.deadline_at = now + time_allowed(run)
    if run.stopped_reason and run.max_tokens is not None:
        run.max_tokens = None
    run.stopped_reason, run.report = "", None
    run.watched = run.has_limits
    run.save(update_fields=["stopped_reason", "report", "deadline_at", "max_tokens", "watched"])


def keep_limits(*, now: datetime) -> int:
    """Ends the runs that are past a limit of theirs, and holds what came back into a paused one. The number ended."""
    runs = list(Run.objects.filter(watched=True).defer(*_LARGE))
    counts = _counts(runs)
    return sum(_keep(run.pk, now) for run in runs if _is_due(run, counts[run.pk], now))


def _counts(runs: Sequence[Run]) -> dict[int, dict[str, int]]:
    """By run: tasks by status, and under ``tokens`` what they took where that is limited."""
    found: dict[int, dict[str, int]] = {run.pk: {"tokens": 0} for run in runs}
    rows = Task.objects.filter(run__in=runs).order_by().values_list("run_id", "status")
    for run_id, status, count in rows.annotate(Count("pk")) if runs else ():
        found[run_id][status] = count
    limited = [run.pk for run in runs if run.max_tokens is not None]
    tokens = Sum(Coalesce(F("prompt_tokens"), 0) + Coalesce(F("output_tokens"), 0))
    of_limited = Task.objects.filter(run__in=limited).order_by().values_list("run_id")
    for run_id, taken in of_limited.annotate(taken=tokens) if limited else ():
        found[run_id]["tokens"] = taken
    return found


def _is_due(run: Run, counts: dict[str, int], now: datetime) -> bool:
    if not _unfinished(counts) or _came_back(run, counts):
        return True
    return bool(_why_stop(run, counts, now))


def _unfinished(counts: dict[str, int]) -> bool:
    return any(counts.get(status) for status in UNFINISHED)


def _came_back(run: Run, counts: dict[str, int]) -> bool:
    return run.paused_at is not None and bool(counts.get(TaskStatus.PENDING))


@atomic_again
def _keep(run_id: int, now: datetime) -> bool:
    """Looks again: since the first look somebody may have resumed it, or begun to do it again."""
    run = Run.objects.select_for_update(no_key=True).defer(*_LARGE).filter(pk=run_id, watched=True).first()
    if run is None:
        return False
    counts = _counts([run])[run_id]
    if not _unfinished(counts):
        Run.objects.filter(pk=run_id).update(watched=False)
        return False
    if _came_back(run, counts):
        gates.regate(run)
    reason = _why_stop(run, counts, now)
    if reason:
        _stop_rest(run, reason, now, running=run.deadline_at is not None and run.deadline_at <= now)
    return bool(reason)


def time_allowed(run: Run) -> timedelta:
    """Of a run with a deadline: what it was asked for with, for the deadline moves when it is done again."""
    seconds = (run.spec.get("limits") or {}).get("max_seconds")
    if seconds is None and run.deadline_at is not None:
        return max(run.deadline_at - run.created_at, timedelta(seconds=1))
    return timedelta(seconds=seconds or 1)


def _why_stop(run: Run, counts: dict[str, int], now: datetime) -> str:
    if run.deadline_at is not None and run.deadline_at <= now:
        return f"The run took longer than the {time_allowed(run).total_seconds():,.0f} s it may take"
    if run.max_tokens is not None and counts["tokens"] > run.max_tokens:
        return f"The run took {counts['tokens']:,} tokens, more than the {run.max_tokens:,} it may take"
    ended = sum(counts.get(status, 0) for status in ENDED)
    failed, total = counts.get(TaskStatus.FAILED, 0), sum(counts.values()) - counts["tokens"]
    if run.stop_failed_percent is None or ended < min(FEWEST_ENDED, total):
        return ""
    share = 100 * failed / ended
    if share <= run.stop_failed_percent:
        return ""
    return f"{failed:,} of {ended:,} tasks failed, more than the {run.stop_failed_percent:g} % that may"


def _stop_rest(run: Run, reason: str, now: datetime, *, running: bool) -> None:
    waiting = run.tasks.filter(status__in=WAITING)
    changed = list(waiting.values_list("pk", flat=True))
    waiting.transition_all(
        TaskStatus.CANCELLED,
        ended_at=now,
        cancel_requested_at=now,
        not_before=None,
        error=f"{reason}.",
        error_code=STOPPED,
    )
    if running:
        changed += _cancel_unfinished(run, now)
    if changed:
        Run.objects.filter(pk=run.pk).update(stopped_reason=reason[:300])
        audit.record(SYSTEM, "run.stopped", run, reason=reason, tasks=len(changed))
        _tell(run, changed)


def _tell(run: Run, task_ids: Sequence[int]) -> None:
    events.on_commit(("run", {"id": run.pk}))
    if len(task_ids) <= TOLD_ONE_BY_ONE:
        announce_tasks(task_ids, wake=True)
    else:
        events.on_commit(("tasks_changed", {"run_id": run.pk, "count": len(task_ids)}), wake=True)


def _get(actor: Actor, action: Action, run_id: int) -> Run:
    run = Run.objects.select_for_update(no_key=True).filter(pk=run_id).first()
    if run is None:
        raise NotFound(f"There is no run {run_id}.")
    require(actor, action, run)
    return run
