"""Gates: a run that is paused or has a limit of its own holds its tasks back, whatever the scheduler could start.

What is held is blocked although it is ready, so that no decision of the scheduler has to know about it.
"""

from collections.abc import Sequence

from orchestration.models import Run, Task
from orchestration.models.tasks import TaskQuerySet
from orchestration.policy.states import ACTIVE, UNFINISHED, Gate, TaskStatus
from orchestration.queries.ready import GATED, rows

_UNFINISHED = sorted(UNFINISHED)
_PASSED = f"""
SELECT run_id, COUNT(*) FROM orchestration_task {{gated}}
WHERE {GATED} AND run_id IN ({{marks}}) AND gate = {Gate.PASSED:d} GROUP BY run_id
"""
_NEXT = f"""
SELECT id FROM orchestration_task {{gated}}
WHERE {GATED} AND run_id = %s AND gate = {Gate.HELD:d} AND status = 'blocked' AND ready_at IS NOT NULL
ORDER BY position, id LIMIT %s
"""


def let_through(runs: Sequence[Run] | None = None) -> list[int]:
    """Starts what limited runs have room for; the tasks. ``runs``: only of these."""
    if runs is None:
        runs = list(Run.objects.filter(watched=True, paused_at=None).exclude(max_parallel=None).only("max_parallel"))
    runs = [run for run in runs if run.paused_at is None and run.max_parallel is not None]
    if not runs:
        return []
    marks = {"marks": ", ".join(["%s"] * len(runs))}
    active = dict(rows(_PASSED, [run.pk for run in runs], marks))
    free = [pk for run in runs for pk in _next_of(run, (run.max_parallel or 0) - active.get(run.pk, 0))]
    held = Task.objects.filter(pk__in=free, status=TaskStatus.BLOCKED, gate=Gate.HELD)
    held.transition_all(TaskStatus.PENDING, gate=Gate.PASSED)
    return free


def _next_of(run: Run, room: int) -> list[int]:
    return [pk for (pk,) in rows(_NEXT, [run.pk, room])] if room > 0 else []


def _held(run: Run) -> TaskQuerySet:
    return Task.objects.filter(run=run, gate=Gate.HELD, status=TaskStatus.BLOCKED, ready_at__isnull=False)


def regate(run: Run) -> None:
    """Makes the gates of all unfinished tasks what the run says now."""
    mine = Task.objects.filter(run=run)
    if run.paused_at is None and run.max_parallel is None:
        _held(run).transition_all(TaskStatus.PENDING)
        mine.filter(status__in=_UNFINISHED).exclude(gate=Gate.FREE).update(gate=Gate.FREE)
        return
    mine.filter(status__in=sorted(ACTIVE)).exclude(gate=Gate.PASSED).update(gate=Gate.PASSED)
    mine.filter(status=TaskStatus.PENDING).transition_all(TaskStatus.BLOCKED, gate=Gate.HELD, not_before=None)
    mine.filter(status=TaskStatus.BLOCKED).exclude(gate=Gate.HELD).update(gate=Gate.HELD)
    let_through([run])
