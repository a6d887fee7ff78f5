"""Gates: a run that is paused or has a limit of its own holds its tasks back, whatever the scheduler could start.

What is held is blocked although it is ready, so that no decision of the scheduler has to know about it.
"""

from collections.abc import Collection, Sequence

from orchestration.models import Run, Task
from orchestration.models.tasks import TaskQuerySet
from orchestration.policy.states import ACTIVE, UNFINISHED, Gate, TaskStatus
from orchestration.queries.ready import GATED, rows

_WAITING = f"""
SELECT id, max_parallel FROM orchestration_run
WHERE watched AND paused_at IS NULL AND max_parallel IS NOT NULL {{some}} AND EXISTS (
    SELECT 1 FROM orchestration_task {{gated}}
    WHERE {GATED} AND run_id = orchestration_run.id AND gate = {Gate.HELD:d}
    AND status = 'blocked' AND ready_at IS NOT NULL
)
"""
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
    some = [run.pk for run in runs or ()]
    only = "" if runs is None else f"AND id IN ({_marks(some)})"
    waiting: dict[int, int] = dict(rows(_WAITING, some, {"some": only})) if some or runs is None else {}
    if not waiting:
        return []
    passed = dict(rows(_PASSED, list(waiting), {"marks": _marks(waiting)}))
    free = [pk for run_id, most in waiting.items() for pk in _next_of(run_id, most - passed.get(run_id, 0))]
    held = Task.objects.filter(pk__in=free, status=TaskStatus.BLOCKED, gate=Gate.HELD)
    held.transition_all(TaskStatus.PENDING, gate=Gate.PASSED)
    return free


def _marks(values: Collection[int]) -> str:
    return ", ".join(["%s"] * len(values))


def _next_of(run_id: int, room: int) -> list[int]:
    return [pk for (pk,) in rows(_NEXT, [run_id, room])] if room > 0 else []


def regate(run: Run) -> None:
    """Makes the gates of all unfinished tasks what the run says now.

    Each change is made until nothing is left: a row that the scheduler holds is waited for, and the items that it makes
    of it meanwhile are seen by the next statement only.
    """
    mine = Task.objects.filter(run=run)
    if run.paused_at is None and run.max_parallel is None:
        while mine.filter(status__in=sorted(UNFINISHED)).exclude(gate=Gate.FREE).update(gate=Gate.FREE):
            pass
        mine.filter(status=TaskStatus.BLOCKED, ready_at__isnull=False).transition_all(TaskStatus.PENDING)
        return
    while _hold(mine):
        pass
    mine.filter(status__in=sorted(ACTIVE)).exclude(gate=Gate.PASSED).update(gate=Gate.PASSED)
    let_through([run])


def _hold(mine: TaskQuerySet) -> int:
    ready = mine.filter(status=TaskStatus.PENDING)
    held = ready.transition_all(TaskStatus.BLOCKED, gate=Gate.HELD, not_before=None)
    return held + mine.filter(status=TaskStatus.BLOCKED).exclude(gate=Gate.HELD).update(gate=Gate.HELD)
