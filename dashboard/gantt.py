"""When the steps of a run did what: bars over the time of the run, split into queued, load, prefill and decode."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from dashboard.templatetags.numbers import short
from orchestration.models import Task
from orchestration.policy.states import TaskStatus

_TICKS = (0.1, 0.25, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400)
_MOST_TICKS = 7
SHORTEST = 1.0
"""Seconds that a chart shows at least."""
_PHASES = {"loading": "loading", "prefill": "prefill", "generating": "generating"}


@dataclass(frozen=True, slots=True)
class Part:
    """Seconds from the beginning of the run; ``until`` is None for what goes on. ``state``: queued or a state word."""

    state: str
    since: float
    until: float | None


@dataclass(frozen=True, slots=True)
class Drawn:
    """A part in percents of the chart."""

    part: Part
    x: str
    width: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """``now`` is the place of the now-line; None once the run has ended."""

    seconds: float
    rows: dict[int, list[Drawn]]
    ticks: list[tuple[str, float, str]]
    now: str | None


def chart(tasks: Sequence[Task], items: Iterable[Task], *, began: datetime, now: datetime, over: bool) -> Chart:
    """``items`` are the tasks of fan-outs: a step that makes tasks of a list lasts as long as they do."""
    of_step: dict[int, list[Task]] = {}
    for item in items:
        of_step.setdefault(item.parent_id or 0, []).append(item)
    parts = {task.pk: _parts(task, of_step.get(task.pk, []), began) for task in tasks}
    passed = (now - began).total_seconds()
    ends = [part.until if part.until is not None else passed for row in parts.values() for part in row]
    seconds = max([*ends, SHORTEST, *([] if over else [passed])])
    return Chart(
        seconds=seconds,
        rows={pk: [_drawn(part, passed, seconds) for part in row] for pk, row in parts.items()},
        ticks=_ticks(seconds),
        now=None if over else f"{100 * min(1, passed / seconds):.2f}",
    )


def _drawn(part: Part, passed: float, seconds: float) -> Drawn:
    until = passed if part.until is None else part.until
    return Drawn(part, f"{100 * part.since / seconds:.2f}", f"{100 * max(0.0, until - part.since) / seconds:.2f}")


def _ticks(seconds: float) -> list[tuple[str, float, str]]:
    """Place, seconds and words, as far apart as can be read."""
    step = next((step for step in _TICKS if seconds / step <= _MOST_TICKS), _TICKS[-1])
    marks = [number * step for number in range(int(seconds / step) + 1)]
    return [(f"{100 * mark / seconds:.2f}", mark, f"{mark:g} s" if mark < 60 else short(mark)) for mark in marks]


def _parts(task: Task, items: Sequence[Task], began: datetime) -> list[Part]:
    def at(moment: datetime) -> float:
        return max(0.0, (moment - began).total_seconds())

    end = at(task.ended_at) if task.ended_at else None
    if items:
        started = [each.started_at or each.ready_at for each in items if each.started_at or each.ready_at]
        return [Part("generating", at(min(filter(None, started))), end)] if started else []
    ready = task.ready_at if task.ready_at and not task.skipped_because else None
    if ready is None:
        return []
    if task.started_at is None:
        return [Part("queued", at(ready), end)] if task.status != TaskStatus.BLOCKED else []
    return _worked(task, at(ready), at(task.started_at), end)


def _worked(task: Task, ready: float, started: float, end: float | None) -> list[Part]:
    spent = [("loading", task.load_seconds), ("prefill", task.prefill_seconds), ("generating", task.decode_seconds)]
    total = sum(seconds or 0 for _, seconds in spent)
    if end is None:
        return [Part("queued", ready, started), Part(_PHASES.get(task.phase, "loading"), started, None)]
    if not total or task.status != TaskStatus.COMPLETED:
        return [Part("queued", ready, started), Part(task.status, started, end)]
    since = max(started, end - total)
    parts = [Part("queued", ready, since)]
    for state, seconds in spent:
        if seconds:
            parts.append(Part(state, since, min(end, since + seconds)))
            since = min(end, since + seconds)
    return parts
