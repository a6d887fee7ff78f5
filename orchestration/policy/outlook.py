"""When a waiting task may start: how many go before it and how fast the line moves in, honest bounds and words out."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

MOST_COUNTED = 1000
"""Tasks of one queue and user that are counted one by one."""
RUN_VARIES = 1.4
"""How far answers differ in length, in times of the mean interval between two starts."""
ESTIMATE_VARIES = 0.2
"""How far what was learned may be off, as a part of the time until the start."""
NARROW = 2.5
"""Bounds whose ratio is no larger are told as one number."""
SOON_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """Tasks that start before this one: ``least`` do as things stand, up to ``most`` may; None is beyond counting."""

    least: int
    most: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How the line moves: ``at_once`` tasks start in ``next_seconds``, then ``per_second``."""

    next_seconds: float
    per_second: float
    at_once: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Seconds from now. ``latest`` is None where nobody can say."""

    earliest: float
    latest: float | None


def pace(next_seconds: float | None, per_second: float | None, *, at_once: int | None, passed: float) -> Pace | None:
    """From a queue's summary of ``passed`` seconds ago. ``at_once`` is None where slots are in use and get free one by
    one: of many runs the first ends sooner than the mean of any single one lets expect."""
    if next_seconds is None or not per_second:
        return None
    left = max(0.0, next_seconds - passed)
    if at_once is None:
        return Pace(next_seconds=min(left, 1 / per_second), per_second=per_second)
    return Pace(next_seconds=left, per_second=per_second, at_once=max(1, at_once))


def expected_start(ahead: Ahead, pace: Pace | None) -> Start | None:
    """None while no speed is known."""
    if pace is None:
        return None
    middle, margin = _middle(ahead.least, pace)
    earliest = max(0.0, middle - margin)
    if ahead.most is None:
        return Start(earliest=earliest, latest=None)
    return Start(earliest=earliest, latest=sum(_middle(ahead.most, pace)))


def _middle(ahead: int, pace: Pace) -> tuple[float, float]:
    """The mean time until the start, and how far it may be off: single runs even out, wrong estimates do not."""
    rounds = max(0, ahead + 1 - pace.at_once)
    interval = 1 / pace.per_second
    middle = pace.next_seconds + rounds * interval
    return middle, RUN_VARIES * interval * math.sqrt(rounds or int(pace.at_once == 1)) + ESTIMATE_VARIES * middle


def others_ahead(own: int, mine: float, others: Iterable[tuple[float, int]], work: float) -> int:
    """How many tasks of other users may go before one that has ``own`` tasks of its user before it.

    ``mine`` and the first of each pair: the tokens that the user has received; the second: how many wait. Whoever has
    received the least is next and is charged ``work`` tokens, so a lead is worth only so many tasks.
    """
    ahead = 0
    for theirs, count in others:
        lead = mine + own * work - theirs
        ahead += min(count, math.floor(lead / work) + 1) if lead >= 0 else 0
    return ahead


def line_words(ahead: Ahead | None) -> str:
    """``3rd in line``; with several users a range; nothing where nothing is known."""
    if ahead is None:
        return ""
    if ahead.most is None:
        return f"more than {ahead.least:,} ahead" if ahead.least else ""
    if ahead.most == ahead.least:
        return f"{_ordinal(ahead.least + 1)} in line" if ahead.least else "next in line"
    return f"{_ordinal(ahead.least + 1)} to {_ordinal(ahead.most + 1)} in line"


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"


def start_words(start: Start | None) -> str:
    """``≈40 s`` where the bounds are close together, else both of them."""
    if start is None:
        return ""
    if start.latest is None:
        return f"not before {_duration(start.earliest, math.floor)}" if start.earliest >= SOON_SECONDS else ""
    if start.latest <= SOON_SECONDS:
        return "in a few seconds"
    if start.latest <= NARROW * start.earliest:
        return f"≈{_duration((start.earliest + start.latest) / 2, round)}"
    latest = _duration(start.latest, math.ceil)
    if start.earliest < start.latest / 10:
        return f"within {latest}"
    return f"{_duration(start.earliest, math.floor)} – {latest}"


def _duration(seconds: float, rounded: Callable[[float], int]) -> str:
    """As coarse as an estimate is: 7 s, 40 s, 4 min, 3 h. Bounds are rounded outwards."""
    if seconds < 10:
        return f"{max(1, rounded(seconds))} s"
    if seconds < 100:
        return f"{5 * rounded(seconds / 5)} s"
    if seconds < 100 * 60:
        return f"{rounded(seconds / 60)} min"
    return f"{rounded(seconds / 3600)} h"


def elapsed_words(passed: float, expected: float | None) -> str:
    """``12 s of about 18 s``."""
    words = f"{round(max(0.0, passed))} s"
    return f"{words} of about {max(1, round(expected))} s" if expected else words
