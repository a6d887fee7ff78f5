"""Figures that were measured several times: their middle, how far they scatter, and whether two of them differ."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, inf, sqrt
from statistics import fmean, median, variance

_T = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13)
"""Student's t for 95 % with 1, 2, 3, … degrees of freedom."""
_T_ROUGH = ((20, 2.09), (30, 2.04), (60, 2.00), (inf, 1.96))
NOTICEABLE_PERCENT = 2.0
"""A smaller change is no news, however sure it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Of all values: median, quartiles, 95th percentile. ``repeats``: the figure of each repeat; ``low`` and ``high``
    are the ends of the 95 % confidence interval of their mean, None where there was one repeat only."""

    median: float
    q1: float
    q3: float
    p95: float
    low: float | None
    high: float | None
    repeats: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """``percent`` from before to now with its 95 % interval. ``sure``: beyond the spread; None where nobody knows."""

    percent: float
    low: float | None
    high: float | None
    sure: bool | None


def percentile(values: Sequence[float], share: float) -> float:
    """Between the two nearest values, in proportion."""
    ordered = sorted(values)
    at = share * (len(ordered) - 1)
    below = floor(at)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (at - below)


def spread_of(by_repeat: Sequence[Sequence[float]]) -> Spread | None:
    """None where nothing was measured."""
    measured = [values for values in by_repeat if values]
    if not measured:
        return None
    values = [value for part in measured for value in part]
    repeats = tuple(median(part) for part in measured)
    half = _half_width(repeats)
    mean = fmean(repeats)
    return Spread(
        median=median(values),
        q1=percentile(values, 0.25),
        q3=percentile(values, 0.75),
        p95=percentile(values, 0.95),
        low=None if half is None else mean - half,
        high=None if half is None else mean + half,
        repeats=repeats,
    )


def _half_width(repeats: Sequence[float]) -> float | None:
    if len(repeats) < 2:
        return None
    return student_t(len(repeats) - 1) * sqrt(variance(repeats) / len(repeats))


def student_t(freedom: float) -> float:
    """For 95 %, on the safe side between the values of the table."""
    whole = max(1, floor(freedom))
    if whole <= len(_T):
        return _T[whole - 1]
    return next((t for most, t in _T_ROUGH if whole < most), _T_ROUGH[-1][1])


def change(before: Sequence[float], now: Sequence[float]) -> Change | None:
    """From the repeats of one run to those of another, by Welch's test. None where there is nothing to compare."""
    if not before or not now or fmean(before) <= 0:
        return None
    base, delta = fmean(before), fmean(now) - fmean(before)
    percent = 100 * delta / base
    if len(before) < 2 or len(now) < 2:
        return Change(percent=percent, low=None, high=None, sure=None)
    half = 100 * _welch(before, now) / base
    sure = abs(percent) >= NOTICEABLE_PERCENT and abs(percent) > half
    return Change(percent=percent, low=percent - half, high=percent + half, sure=sure)


def _welch(before: Sequence[float], now: Sequence[float]) -> float:
    """Half the width of the interval around the difference of the means."""
    a, b = variance(before) / len(before), variance(now) / len(now)
    if a + b == 0:
        return 0.0
    freedom = (a + b) ** 2 / (a**2 / (len(before) - 1) + b**2 / (len(now) - 1))
    return student_t(freedom) * sqrt(a + b)
