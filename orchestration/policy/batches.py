"""What is a matter of counting in batches: rows grouped into calls, numbers of rows, when a batch will have ended."""

import math
from bisect import bisect_right
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby

RECENT_SECONDS = 120.0
ENOUGH_RECENT = 8
ENOUGH = 2

Range = tuple[int, int]


def grouped(keys: Sequence[Hashable], most: int) -> list[int]:
    """Sizes of groups of neighbours with the same key, none of them larger than ``most``."""
    sizes = []
    for _, same in groupby(keys):
        left = sum(1 for _ in same)
        sizes += [most] * (left // most) + ([left % most] if left % most else [])
    return sizes


def ranges(numbers: Iterable[int]) -> list[Range]:
    """Ascending numbers as ranges, both ends included."""
    found: list[Range] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


class Numbers:
    """The numbers that rows have in their file, where some of the file's rows were left out."""

    def __init__(self, left_out: Sequence[Sequence[int]]) -> None:
        self._left_out = left_out
        widths = list(accumulate((last - first + 1 for first, last in left_out), initial=0))
        self._widths = widths
        self._before = [first - 1 - width for (first, _), width in zip(left_out, widths, strict=False)]

    def of(self, index: int) -> int:
        """Of the row that was submitted as number ``index``, counted from 0."""
        return index + 1 + self._widths[bisect_right(self._before, index)]


class Groups:
    """Which rows stand in which task. Without sizes each task is one row."""

    def __init__(self, sizes: Sequence[int] | None) -> None:
        self._sizes = sizes
        self._starts = list(accumulate(sizes, initial=0)) if sizes else []

    def size(self, position: int) -> int:
        return self._sizes[position] if self._sizes else 1

    def first(self, position: int) -> int:
        return self._starts[position] if self._sizes else position

    @property
    def largest(self) -> int:
        return max(self._sizes) if self._sizes else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Eta:
    """Seconds from now: expected, and the bounds it lies between in nineteen of twenty cases."""

    seconds: float
    earliest: float
    latest: float


def eta(*, left: int, ended: int, over: float, recently: int, recent_over: float) -> Eta | None:
    """From how many rows ended over so many seconds, in all and recently; None while that says too little."""
    if left <= 0:
        return None
    count, seconds = (recently, recent_over) if recently >= ENOUGH_RECENT else (ended, over)
    if count < ENOUGH or seconds <= 0:
        return None
    expected = left * seconds / count
    spread = 1 + 2 * math.sqrt(1 / count + 1 / left)
    return Eta(seconds=expected, earliest=expected / spread, latest=expected * spread)
