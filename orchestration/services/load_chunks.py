"""Packed points of load, read to be changed and written back: many series of one level in a few statements."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from orchestration.models import LoadChunk, LoadSeries, Node
from orchestration.policy.series import COUNTED, HOURS, Level, Totals, Track, unpacked


class Place(NamedTuple):
    """A series: of a model, a node, both, or neither. ``node_name`` only where the node is gone."""

    node_id: int | None = None
    node_name: str = ""
    model: str = ""


FLEET = Place()
Key = tuple[Place, int]
"""A series, and where the chunk begins."""


def place_of(node_id: int | None, node_name: str, model: str = "") -> Place:
    return Place(node_id, "" if node_id else node_name, model)


def places_of(node_id: int | None, node_name: str, model: str) -> tuple[Place, ...]:
    """All series that something at this place belongs to."""
    pair = place_of(node_id, node_name, model)
    return pair, pair._replace(model=""), Place(model=model), FLEET


def moment(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC)


class Chunks:
    """Those of one level that have points from ``start`` to ``end``."""

    def __init__(self, level: Level, start: int, end: int) -> None:
        self.level, self.start, self.end = level, start, end
        self._known = {place: series for series, place in _series().items()}
        self._tracks: dict[Key, Track] = {}
        self._stored: dict[Key, tuple[bytes, bytes]] = {}
        self._sums: dict[Key, Totals] = {}
        self._read({series: place for place, series in self._known.items()})

    def _read(self, places: Mapping[int, Place]) -> None:
        starts = [moment(at) for at in self.level.chunks(self.start, self.end)]
        rows = LoadChunk.objects.filter(level=self.level.number, starts_at__in=starts)
        for series, starts_at, head, waits in rows.values_list("series_id", "starts_at", "head", "waits"):
            if place := places.get(series):
                key = place, int(starts_at.timestamp())
                self._stored[key] = bytes(head), bytes(waits)
                self._tracks[key] = unpacked(self.level.points, *self._stored[key])
                if self.level is HOURS:
                    self._sums[key] = self._tracks[key].total()

    def tracks(self) -> Iterator[tuple[Place, int, Track]]:
        for (place, at), track in self._tracks.items():
            yield place, at, track

    def add(self, place: Place, at: int, values: Totals) -> None:
        track, point = self._at(place, at)
        track.add(point, values)

    def put(self, place: Place, at: int, values: Totals) -> None:
        track, point = self._at(place, at)
        track.put(point, values)

    def forget(self, start: int, end: int, names: Iterable[str]) -> None:
        """Of all series, from ``start`` to ``end``."""
        names = tuple(names)
        for _, at, track in self.tracks():
            first, last = max(start, at), min(end, at + self.level.span)
            if first < last:
                track.forget((first - at) // self.level.unit, (last - at) // self.level.unit, names)

    def _at(self, place: Place, at: int) -> tuple[Track, int]:
        begins = self.level.chunk_of(at)
        track = self._tracks.get((place, begins))
        if track is None:
            track = self._tracks[place, begins] = Track(self.level.points)
        return track, (at - begins) // self.level.unit

    def changed(self) -> dict[Key, tuple[bytes, bytes]]:
        """What is to be written, packed. Takes most of the time, and no transaction need be open."""
        packed = ((key, track.packed()) for key, track in self._tracks.items())
        return {key: data for key, data in packed if data != self._stored.get(key, (b"", b""))}

    def write(self, changed: Mapping[Key, tuple[bytes, bytes]]) -> None:
        ids = self._ids({place for place, _ in changed})
        rows = [
            LoadChunk(series_id=ids[place], level=self.level.number, starts_at=moment(at), head=data[0], waits=data[1])
            for (place, at), data in changed.items()
        ]
        LoadChunk.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["series", "level", "starts_at"],
            update_fields=["head", "waits"],
        )
        if self.level is HOURS:
            self._add_up(changed, ids)

    def _ids(self, places: set[Place]) -> Mapping[Place, int]:
        fresh = [place for place in places if place not in self._known]
        if fresh:
            names = dict(Node.objects.values_list("pk", "name"))
            rows = [
                LoadSeries(
                    node_id=place.node_id,
                    node_name=place.node_name or names.get(place.node_id or 0, ""),
                    model_name=place.model,
                )
                for place in fresh
            ]
            made = LoadSeries.objects.bulk_create(rows)
            self._known.update(zip(fresh, (row.pk for row in made), strict=True))
        return self._known

    def _add_up(self, changed: Iterable[Key], ids: Mapping[Place, int]) -> None:
        """Hours are counted once each, however often their points are written."""
        grown: dict[int, dict[str, float]] = {}
        for key in changed:
            sums = grown.setdefault(ids[key[0]], {})
            before, after = self._sums.get(key, {}), self._tracks[key].total()
            for name in _lasting({*before, *after}):
                sums[name] = sums.get(name, 0) + after.get(name, 0) - before.get(name, 0)
        rows = list(LoadSeries.objects.filter(pk__in=grown))
        for row in rows:
            sums = grown[row.pk]
            row.totals = {name: row.totals.get(name, 0) + sums.get(name, 0) for name in {*row.totals, *sums}}
        LoadSeries.objects.bulk_update(rows, ["totals"], batch_size=200)


def _lasting(names: Iterable[str]) -> Iterator[str]:
    return (name for name in names if name in (*COUNTED, "loads") or name.startswith("wait_"))


def _series() -> dict[int, Place]:
    rows = LoadSeries.objects.order_by("pk").values_list("pk", "node_id", "node_name", "model_name")
    return {pk: place_of(node, name, model) for pk, node, name, model in rows}
