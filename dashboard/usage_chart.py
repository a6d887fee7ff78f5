"""The geometry of the chart of daily usage: a bar for each day, as plain SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from dashboard.charts import nice
from dashboard.templatetags.numbers import number, seconds
from orchestration.payloads.statistics import DayUsage

WIDTH, HEIGHT = 960, 180
LEFT, RIGHT, TOP, BOTTOM = 56, 4, 10, 24
MOST_LABELS = 8
STEPS = 2


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    text: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A tick or a label, in the units of the drawing."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageChart:
    bars: tuple[Bar, ...]
    ticks: tuple[Mark, ...]
    days: tuple[Mark, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT


def chart_of(days: Sequence[DayUsage]) -> UsageChart:
    """GPU time by day."""
    top = _top(max((day["gpu_seconds"] for day in days), default=0.0))
    step = (WIDTH - LEFT - RIGHT) / max(1, len(days))
    gap = min(2.0, step / 4)
    bars = []
    for place, day in enumerate(days):
        high = (HEIGHT - TOP - BOTTOM) * day["gpu_seconds"] / top
        words = f"{_name(day)}: {seconds(day['gpu_seconds'])} of GPU, {number(day['completed'])} completed"
        x, y = LEFT + place * step, HEIGHT - BOTTOM - high
        bars.append(Bar(round(x, 2), round(y, 2), round(step - gap, 2), round(high, 2), words))
    every = -(-len(days) // MOST_LABELS)
    return UsageChart(
        bars=tuple(bar for bar in bars if bar.height),
        ticks=tuple(Mark(LEFT - 6, _down(part), _tick(top * part)) for part in _parts()),
        days=tuple(
            Mark(round(LEFT + (place + 0.5) * step, 2), HEIGHT - 8, _name(day))
            for place, day in enumerate(days)
            if place % every == 0
        ),
    )


def _top(value: float) -> float:
    """A round number of the unit that it is told in."""
    unit = _unit(value)
    return nice(value / unit) * unit


def _unit(value: float) -> float:
    return next((size for size in (3600.0, 60.0) if value >= size), 1.0)


def _tick(value: float) -> str:
    unit = _unit(value)
    return f"{value / unit:g} {'h' if unit == 3600 else 'min' if unit == 60 else 's'}" if value else "0"


def _name(day: DayUsage) -> str:
    return f"{date.fromisoformat(day['day']):%-d %b}"


def _down(part: float) -> float:
    return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * part, 1)


def _parts() -> list[float]:
    return [step / STEPS for step in range(STEPS + 1)]
