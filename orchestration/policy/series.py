"""Series of load: three levels of detail, what a point of one is made of, and how points are put together.

Times are whole seconds since the epoch. A chunk is the points of one series and level that share a row of the database.
"""

import sys
import zlib
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from operator import add

from orchestration.policy.waits import BUCKETS, quantile

HOUR_SECONDS = 3600
DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Level:
    """``unit``: seconds of a point. ``points``: of a chunk. ``kept``: seconds; ``spare``: more, until the level above
    has taken them in."""

    number: int
    unit: int
    points: int
    kept: int
    spare: int
    steps: tuple[int, ...]

    @property
    def span(self) -> int:
        return self.unit * self.points

    def floor(self, at: float) -> int:
        return int(at // self.unit * self.unit)

    def ceil(self, at: float) -> int:
        return int(-(-at // self.unit) * self.unit)

    def chunk_of(self, at: int) -> int:
        return at // self.span * self.span

    def chunks(self, start: int, end: int) -> list[int]:
        """Where the chunks begin that have points from ``start`` to ``end``."""
        return list(range(self.chunk_of(start), end, self.span)) if start < end else []

    @property
    def most_chunks(self) -> int:
        return ceil((self.kept + self.spare) / self.span) + 2


SECONDS = Level(0, 1, 60, HOUR_SECONDS, 120, (1, 2, 5, 10, 15, 30))
MINUTES = Level(1, 60, 60, DAY_SECONDS, 2 * HOUR_SECONDS, (60, 120, 300, 600, 900, 1800))
HOURS = Level(2, HOUR_SECONDS, 168, 365 * DAY_SECONDS, 0, (3600, 7200, 10_800, 21_600, 43_200, 86_400, 604_800))
LEVELS = (SECONDS, MINUTES, HOURS)
FINER = {MINUTES: SECONDS, HOURS: MINUTES}
ROWS_PER_SERIES = sum(level.most_chunks for level in LEVELS)


def most_rows(nodes: int, models: int) -> int:
    """However long it goes on: one series for each model on each node, for each model, for each node, and for all."""
    return ROWS_PER_SERIES * (nodes + 1) * (models + 1)


SAMPLED = ("running", "waiting", "rate", "vram", "samples", "rate_samples", "vram_samples", "loads")
"""Sums over samples, and how many samples knew them."""
PEAKS = ("running_peak", "waiting_peak")
COUNTED = ("ended", "errors", "prompt_tokens", "output_tokens")
"""Of attempts, by their end."""
WAITS = tuple(f"wait_{bucket}" for bucket in range(BUCKETS))
_HEAD = (*SAMPLED, *PEAKS, *COUNTED)
_HIGHEST = (0xFF000000).to_bytes(4, sys.byteorder)
_BYTES = {"I": 4, "Q": 8, "d": 8}
_CODES = {"rate": "d", "vram": "d", "prompt_tokens": "Q", "output_tokens": "Q"}

Totals = Mapping[str, float]


@dataclass(slots=True)
class Track:
    """Points in a row; a column that is not there is nothing but zeros."""

    size: int
    columns: dict[str, "array[float]"] = field(default_factory=dict)

    def column(self, name: str) -> "array[float]":
        found = self.columns.get(name)
        if found is None:
            found = self.columns[name] = _zeros(name, self.size)
        return found

    def add(self, point: int, values: Totals) -> None:
        for name, value in values.items():
            if value:
                column = self.column(name)
                column[point] = max(column[point], value) if name in PEAKS else column[point] + value

    def put(self, point: int, values: Totals) -> None:
        """In the place of all that was known of this point."""
        for column in self.columns.values():
            column[point] = type(column[0])(0)
        self.add(point, values)

    def forget(self, start: int, end: int, names: Iterable[str]) -> None:
        for name in names:
            if (column := self.columns.get(name)) is not None:
                column[start:end] = _zeros(name, end - start)

    def total(self, start: int = 0, end: int | None = None) -> dict[str, float]:
        """What a coarser level keeps of these points."""
        parts = ((name, column[start:end]) for name, column in self.columns.items())
        return {name: max(part) if name in PEAKS else sum(part) for name, part in parts if any(part)}

    def lay(self, at: int, other: "Track", start: int, end: int) -> None:
        """Adds these points of another, the first of them to the point ``at``."""
        until = at + end - start
        for name, column in other.columns.items():
            mine, added = self._like(name, column.typecode), column[start:end]
            there = mine[at:until]
            if not any(there) and mine.typecode == added.typecode:
                mine[at:until] = added
            elif any(added):
                mine[at:until] = array(mine.typecode, map(max if name in PEAKS else add, there, added))

    def _like(self, name: str, code: str) -> "array[float]":
        """The column, with room for sums where these are laid upon it."""
        mine = self.columns.get(name)
        if mine is None:
            mine = self.columns[name] = array(code, bytes(self.size * _BYTES[code]))
        elif mine.typecode != code == "Q":
            mine = self.columns[name] = array(code, mine)
        return mine

    def merged(self, factor: int) -> "Track":
        """With points that each stand for ``factor`` of these."""
        if factor == 1:
            return self
        columns = {name: _folded(name, column, factor) for name, column in self.columns.items()}
        return Track(self.size // factor, columns)

    def packed(self) -> tuple[bytes, bytes]:
        return _pack(self, _HEAD), _pack(self, WAITS)


def whole(track: Track) -> dict[str, float | None]:
    """Of all its points together: what was counted, and the times to the first token."""
    total = track.total()
    counts = [total.get(name, 0.0) for name in WAITS]
    halves = {"first_token_p50_seconds": quantile(counts, 0.5), "first_token_p95_seconds": quantile(counts, 0.95)}
    rounded = {name: None if value is None else round(value, 4) for name, value in halves.items()}
    return {**{name: int(total.get(name, 0)) for name in (*COUNTED, "loads")}, **rounded}


def _zeros(name: str, size: int) -> "array[float]":
    code = _CODES.get(name, "I")
    return array(code, bytes(size * _BYTES[code]))


def _folded(name: str, column: "array[float]", factor: int) -> "array[float]":
    """Those that make a first point, those that make a second one, and so on: each a row, and the rows one number."""
    end = len(column) // factor * factor
    rows = [column[at:end:factor] for at in range(factor)]
    if column.typecode == "d":
        return array("d", map(sum, zip(*rows, strict=True)))
    if name in PEAKS:
        return array("Q", map(max, *rows))
    if column.typecode == "I" and _number(column.tobytes()) & _number(_HIGHEST * len(column)):
        rows = [array("Q", row) for row in rows]
    found: array[float] = array(rows[0].typecode)
    found.frombytes(sum(_number(row.tobytes()) for row in rows).to_bytes(len(rows[0]) * found.itemsize, sys.byteorder))
    return array("Q", found)


def _number(row: bytes) -> int:
    """Adding two of these adds each to each, as long as no sum outgrows its place."""
    return int.from_bytes(row, sys.byteorder)


def _pack(track: Track, names: Sequence[str]) -> bytes:
    """A bit for each column that is not all zeros, then those columns one after the other, compressed."""
    mask, parts = 0, []
    for bit, name in enumerate(names):
        column = track.columns.get(name)
        if column is not None and any(column):
            mask |= 1 << bit
            parts.append(_ordered(column).tobytes())
    return mask.to_bytes(8, "little") + zlib.compress(b"".join(parts), 1) if mask else b""


def unpacked(size: int, head: bytes, waits: bytes = b"") -> Track:
    """Either part may be left out; its columns are zeros then."""
    columns = _columns(size, head, waits)
    return Track(size, {name: _ordered(array(code, plain)) for name, code, plain in columns})


def chained(level: Level, chunks: Sequence[tuple[int, bytes, bytes]]) -> tuple[int, Track]:
    """Packed chunks of one series one after the other, and when the first of them begins."""
    first, size = min(at for at, _, _ in chunks), level.points
    points = (max(at for at, _, _ in chunks) - first) // level.unit + size
    rows: dict[tuple[str, str], bytearray] = {}
    for at, head, waits in chunks:
        begins = (at - first) // level.unit
        for name, code, plain in _columns(size, head, waits):
            row = rows.get((name, code))
            if row is None:
                row = rows[name, code] = bytearray(points * _BYTES[code])
            row[begins * _BYTES[code] : (begins + size) * _BYTES[code]] = plain
    return first, Track(points, {name: _ordered(array(code, row)) for (name, code), row in rows.items()})


def _columns(size: int, head: bytes, waits: bytes) -> Iterator[tuple[str, str, bytes]]:
    for names, data in ((_HEAD, head), (WAITS, waits)):
        mask, plain, at = int.from_bytes(data[:8], "little"), zlib.decompress(data[8:]) if data else b"", 0
        for bit, name in enumerate(names):
            if mask >> bit & 1:
                code = _CODES.get(name, "I")
                end = at + size * _BYTES[code]
                yield name, code, plain[at:end]
                at = end


def _ordered(column: "array[float]") -> "array[float]":
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column


@dataclass(frozen=True, slots=True)
class Grid:
    """Points of a chart: from ``start`` to ``end`` in equal steps, made of points of one level."""

    level: Level
    start: int
    end: int
    step: int

    @property
    def points(self) -> int:
        return (self.end - self.start) // self.step


def grid_for(start: int, end: int, *, now: int, most: int) -> Grid:
    """The finest that is still there so far back and has at most so many points, widened to whole steps."""
    grid = None
    for level in LEVELS:
        for step in level.steps:
            grid = Grid(level, start // step * step, -(-end // step) * step, step)
            if level.kept + level.spare >= now - start and grid.points <= most:
                return grid
    assert grid is not None
    return grid


def readings(track: Track, fleet: Track) -> dict[str, list[float | None]]:
    """What a chart shows. ``fleet``: the points of all together, which know how often there was a sample at all."""
    samples, rate_samples = fleet.column("samples"), fleet.column("rate_samples")
    known = [bool(count) for count in samples]
    return {
        "running": _means(track.column("running"), samples),
        "running_peak": _where(known, track.column("running_peak")),
        "waiting": _means(track.column("waiting"), samples),
        "waiting_peak": _where(known, track.column("waiting_peak")),
        "tokens_per_second": _means(track.column("rate"), rate_samples),
        "vram_bytes": _means(track.column("vram"), track.column("vram_samples"), digits=0),
        "loads": _where(known, track.column("loads")),
        **{name: list(track.column(name)) for name in COUNTED},
        **_first_tokens(track),
    }


def _means(sums: Sequence[float], counts: Sequence[float], digits: int = 3) -> list[float | None]:
    return [round(value / count, digits) if count else None for value, count in zip(sums, counts, strict=True)]


def _where(known: Sequence[bool], values: Sequence[float]) -> list[float | None]:
    return [value if there else None for there, value in zip(known, values, strict=True)]


def _first_tokens(track: Track) -> dict[str, list[float | None]]:
    names = [name for name in WAITS if name in track.columns]
    buckets = [WAITS.index(name) for name in names]
    both: tuple[list[float | None], list[float | None]] = ([None] * track.size, [None] * track.size)
    for point, row in enumerate(zip(*(track.columns[name] for name in names), strict=True)):
        if any(row):
            for values, share in zip(both, (0.5, 0.95), strict=True):
                found = quantile(row, share, buckets)
                values[point] = None if found is None else round(found, 4)
    return {"first_token_p50_seconds": both[0], "first_token_p95_seconds": both[1]}
