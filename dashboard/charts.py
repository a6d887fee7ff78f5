"""The geometry of charts that pages draw as plain SVG: a saturation curve with its two axes."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2

from dashboard.templatetags.numbers import rate, seconds
from orchestration.payloads.benchmarks import CurvePoint, SaturationCurve

WIDTH, HEIGHT = 360, 190
LEFT, RIGHT, TOP, BOTTOM = 44, 48, 14, 30
STEPS = 2


@dataclass(frozen=True, slots=True)
class Mark:
    """A point, a tick or a label, in the units of the drawing."""

    x: float
    y: float
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """``rates`` is the solid line of tokens per second, ``waits`` the dashed one of the time to the first token."""

    label: str
    rates: tuple[Mark, ...]
    waits: tuple[Mark, ...]
    rate_line: str
    wait_line: str
    levels: tuple[Mark, ...]
    rate_ticks: tuple[Mark, ...]
    wait_ticks: tuple[Mark, ...]
    knee: Mark | None
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


def chart_of(curve: SaturationCurve) -> Chart:
    points = curve["points"]
    top_rate = nice(max((point["total_rate"] for point in points), default=1.0))
    late = [wait for point in points if (wait := point["first_token_p95_seconds"]) is not None]
    top_wait = nice(max(late, default=1.0))
    across = _across(points)
    rates = [Mark(across[p["concurrency"]], _down(p["total_rate"] / top_rate), rate(p["total_rate"])) for p in points]
    waits = [
        Mark(across[point["concurrency"]], _down(wait / top_wait), seconds(wait))
        for point in points
        if (wait := point["first_token_p95_seconds"]) is not None
    ]
    knee = curve["knee"]
    return Chart(
        label=_words(curve),
        rates=tuple(rates),
        waits=tuple(waits),
        rate_line=_line(rates),
        wait_line=_line(waits),
        levels=tuple(Mark(x, HEIGHT - BOTTOM + 14, str(level)) for level, x in across.items()),
        rate_ticks=tuple(Mark(LEFT - 6, _down(share), f"{top_rate * share:g}") for share in _shares()),
        wait_ticks=tuple(Mark(WIDTH - RIGHT + 6, _down(share), f"{top_wait * share:g} s") for share in _shares()),
        knee=Mark(across[knee], TOP, f"knee at {knee}") if knee in across else None,
    )


def nice(value: float) -> float:
    """The next round number above."""
    if value <= 0:
        return 1.0
    size = 10.0 ** len(str(int(value))) if value >= 1 else 1.0
    while size / 10 >= value:
        size /= 10
    return next(size * part for part in (0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0) if size * part >= value)


def _across(points: Sequence[CurvePoint]) -> dict[int, float]:
    """Levels at equal distances for equal factors."""
    levels = sorted({point["concurrency"] for point in points})
    if not levels:
        return {}
    first, span = log2(levels[0]), log2(levels[-1]) - log2(levels[0])
    room = WIDTH - LEFT - RIGHT - 24
    return {level: round(LEFT + 12 + room * ((log2(level) - first) / span if span else 0.5), 1) for level in levels}


def _down(share: float) -> float:
    return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share, 1)


def _shares() -> list[float]:
    return [step / STEPS for step in range(STEPS + 1)]


def _line(marks: Sequence[Mark]) -> str:
    return " ".join(f"{mark.x},{mark.y}" for mark in marks)


def _words(curve: SaturationCurve) -> str:
    found = ", ".join(f"{rate(p['total_rate'])} at {p['concurrency']}" for p in curve["points"])
    knee = f"; the knee is at {curve['knee']}" if curve["knee"] else ""
    return f"Tokens per second by requests at once, {curve['model']} on {curve['node']}: {found}{knee}"
