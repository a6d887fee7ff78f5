"""The load history of a range: as fine as it is kept, its end put together from what is finer."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar, cast

from orchestration.errors import InvalidInput
from orchestration.models import LoadChunk, LoadMark, LoadSeries
from orchestration.payloads import stamp
from orchestration.payloads.history import HistorySeries, HistoryValues, LoadHistory, Whole
from orchestration.policy.series import (
    FINER,
    HOURS,
    LEVELS,
    MINUTES,
    SECONDS,
    Grid,
    Level,
    Track,
    chained,
    grid_for,
    readings,
    unpacked,
    whole,
)

RANGES = {
    "1h": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "24h": timedelta(days=1),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "1y": timedelta(days=365),
}
LONGEST = timedelta(days=366)
METRICS = tuple(HistoryValues.__annotations__)
POINTS, MOST_POINTS = 750, 2000
TOP, MOST_TOP = 6, 50
"""As many as there are colours that people can tell apart."""

Split = Literal["", "model", "node"]
Read = TypeVar("Read")
Row = tuple[int, int, bytes, bytes]
Key = tuple[str, str]
"""Node and model as they are called now; empty: all of them."""
FLEET: Key = ("", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryFilter:
    """``split``: a series for each model or node, the ``top`` of them alone and the rest together."""

    start: datetime
    end: datetime
    model: str = ""
    node: str = ""
    split: Split = ""
    metrics: Collection[str] = METRICS
    points: int = POINTS
    top: int = TOP


def history_range(name: str, start: datetime | None, end: datetime | None, now: datetime) -> tuple[datetime, datetime]:
    """A named one ends now; one that was given need not say its end. Raises InvalidInput."""
    if start is None:
        if name not in RANGES:
            raise InvalidInput(f"There is no range {name}. Give one of {', '.join(RANGES)}, or a start.", field="range")
        return now - RANGES[name], now
    end = min(end or now, now)
    if start >= end:
        raise InvalidInput("The start must lie before the end, and not in the future.", field="start")
    if end - start > LONGEST:
        raise InvalidInput("A range has a year at most.", field="start")
    return start, end


def load_history(asked: HistoryFilter, now: datetime) -> LoadHistory:
    """A fixed number of queries, and of rows a bounded one."""
    _check(asked)
    grid = grid_for(
        int(asked.start.timestamp()), int(asked.end.timestamp()), now=int(now.timestamp()), most=asked.points
    )
    keys, waits = _keys(asked), any(name.startswith("first_token") for name in asked.metrics)
    marks, tracks = _in_one_piece(lambda marks: _read(grid, marks, keys, waits=waits))
    fleet = tracks.get(FLEET) or Track(grid.points)
    if asked.split or (asked.node, asked.model) != FLEET:
        tracks.pop(FLEET, None)
    if not asked.split:
        tracks.setdefault((asked.node, asked.model), Track(fleet.size))
    return LoadHistory(
        start_at=_stamp(grid.start),
        end_at=_stamp(grid.end),
        step_seconds=grid.step,
        resolution_seconds=grid.level.unit,
        counted_until_at=_stamp(marks.get(SECONDS, grid.start)),
        series=[_series(key, others, track, fleet, asked) for key, others, track in _ranked(tracks, asked)],
    )


def _check(asked: HistoryFilter) -> None:
    if unknown := [name for name in asked.metrics if name not in METRICS]:
        raise InvalidInput(f"There is no metric {unknown[0]}. There are {', '.join(METRICS)}.", field="metrics")
    if asked.split and getattr(asked, asked.split):
        raise InvalidInput(f"Of one {asked.split} there is nothing to split by {asked.split}.", field="split")


def _marks() -> dict[Level, int]:
    rows = dict(LoadMark.objects.values_list("level", "until_at"))
    return {level: int(rows[level.number].timestamp()) for level in LEVELS if level.number in rows}


def _in_one_piece(read: Callable[[Mapping[Level, int]], Read]) -> tuple[Mapping[Level, int], Read]:
    """Points that become coarser ones between two statements would be told twice: then it is read once more."""
    marks = _marks()
    while True:
        found, after = read(marks), _marks()
        if all(marks.get(level) == after.get(level) for level in (MINUTES, HOURS)):
            return marks, found
        marks = after


def series_names() -> dict[int, Key]:
    """A node that is there is called as it is now, one that is gone as it was."""
    rows = LoadSeries.objects.values_list("pk", "node__name", "node_name", "model_name")
    return {pk: (now_called or was_called, model) for pk, now_called, was_called, model in rows}


def _keys(asked: HistoryFilter) -> dict[int, Key]:
    """What is to be read: those asked for, and all together, which know when there was a sample."""
    return {pk: key for pk, key in series_names().items() if key == FLEET or _is_asked(key, asked)}


def _is_asked(key: Key, asked: HistoryFilter) -> bool:
    node, model = key
    if asked.split == "model":
        return bool(model) and node == asked.node
    if asked.split == "node":
        return bool(node) and model == asked.model
    return key == (asked.node, asked.model)


def _read(grid: Grid, marks: Mapping[Level, int], keys: Mapping[int, Key], *, waits: bool) -> dict[Key, Track]:
    level, step = grid.level, grid.step
    final = marks.get(level, grid.start) if level is not SECONDS else grid.end
    tracks: dict[Key, Track] = {}
    for key, at, track in _joined(level, grid.start, min(grid.end, final), keys, waits):
        steps, skipped = track.merged(step // level.unit), max(0, grid.start - at) // step
        until = min(steps.size, (grid.end - at) // step)
        tracks.setdefault(key, Track(grid.points)).lay((at - grid.start) // step + skipped, steps, skipped, until)
    for finer in (MINUTES, SECONDS) if level is HOURS else (SECONDS,) if level is MINUTES else ():
        start = marks.get(_coarser(finer), grid.start)
        for key, at, track in _chunks(finer, start, grid.end, keys, waits):
            if at >= grid.start:
                tracks.setdefault(key, Track(grid.points)).add((at - grid.start) // step, track.total())
    return tracks


def _coarser(level: Level) -> Level:
    return next(coarser for coarser, finer in FINER.items() if finer is level)


def _chunks(
    level: Level, start: int, end: int, keys: Mapping[int, Key], waits: bool
) -> Iterator[tuple[Key, int, Track]]:
    for series, at, head, buckets in _rows(level, start, end, keys, waits):
        yield keys[series], at, unpacked(level.points, head, buckets)


def _joined(
    level: Level, start: int, end: int, keys: Mapping[int, Key], waits: bool
) -> Iterator[tuple[Key, int, Track]]:
    """As far as there are any: most of a year may be empty."""
    found: dict[int, list[tuple[int, bytes, bytes]]] = {}
    for series, at, head, buckets in _rows(level, start, end, keys, waits):
        found.setdefault(series, []).append((at, head, buckets))
    for series, chunks in found.items():
        yield keys[series], *chained(level, chunks)


def _rows(level: Level, start: int, end: int, series: Collection[int], waits: bool) -> Iterator[Row]:
    if start >= end:
        return
    first, until = datetime.fromtimestamp(level.chunk_of(start), UTC), datetime.fromtimestamp(end, UTC)
    rows = LoadChunk.objects.filter(
        series__in=list(series), level=level.number, starts_at__gte=first, starts_at__lt=until
    )
    columns = ("series_id", "starts_at", "head", *(("waits",) if waits else ()))
    for pk, starts_at, head, *buckets in rows.values_list(*columns):
        yield pk, int(starts_at.timestamp()), bytes(head), bytes(buckets[0]) if waits else b""


def _ranked(tracks: Mapping[Key, Track], asked: HistoryFilter) -> list[tuple[Key | None, int, Track]]:
    """The most used first; what is left beyond the top is one series, without a name."""
    order = sorted(tracks, key=lambda key: (*(-weight for weight in _weight(tracks[key])), key))
    found: list[tuple[Key | None, int, Track]] = [(key, 0, tracks[key]) for key in order[: asked.top]]
    if rest := order[asked.top :]:
        others = Track(tracks[rest[0]].size)
        for key in rest:
            others.lay(0, tracks[key], 0, others.size)
        found.append((None, len(rest), others))
    return found


def _weight(track: Track) -> tuple[float, ...]:
    columns = (track.columns.get(name) for name in ("output_tokens", "ended", "running", "vram"))
    return tuple(sum(column) if column else 0 for column in columns)


def _series(key: Key | None, others: int, track: Track, fleet: Track, asked: HistoryFilter) -> HistorySeries:
    node, model = key or (asked.node, asked.model)
    values = {name: found for name, found in readings(track, fleet).items() if name in asked.metrics}
    if node and not model:
        values.pop("waiting", None)
        values.pop("waiting_peak", None)
    return HistorySeries(
        node=node or None,
        model=model or None,
        others=others,
        whole=cast(Whole, whole(track)),
        values=cast(HistoryValues, values),
    )


def _stamp(at: int) -> str:
    return stamp(datetime.fromtimestamp(at, UTC))


def history_totals() -> dict[Key, dict[str, Any]]:
    """Of each model on each node since the history began, for meters that only ever grow."""
    return _in_one_piece(_totals)[1]


def _totals(marks: Mapping[Level, int]) -> dict[Key, dict[str, Any]]:
    found = dict[Key, dict[str, Any]]()
    rows = LoadSeries.objects.exclude(node_name="").exclude(model_name="").in_bulk()
    names = {pk: key for pk, key in series_names().items() if pk in rows}
    for pk, key in names.items():
        _grow(found.setdefault(key, {}), rows[pk].totals)
    if len(marks) < len(LEVELS):
        return found
    for level, above in ((MINUTES, HOURS), (SECONDS, MINUTES)):
        start = marks[above]
        for key, _, track in _chunks(level, start, start + 2 * above.unit * 60, names, True):
            _grow(found[key], track.total())
    return found


def _grow(sums: dict[str, Any], values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        sums[name] = sums.get(name, 0) + value
