"""The load history: samples and ended attempts become points of seconds, these of minutes, and these of hours.

Gauges come from samples. Counters are counted in the table of attempts, again and again until ``SETTLED`` has passed,
so that nothing is lost or doubled by a restart or a late commit; before hours are closed they are compared once more.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from orchestration.models import LoadChunk, LoadMark, LoadSeries, Node, RoleLease
from orchestration.payloads import LoadSample, NodeLoad
from orchestration.policy.series import COUNTED, FINER, HOURS, LEVELS, MINUTES, SECONDS, WAITS, Level, Totals
from orchestration.policy.waits import bucket_of
from orchestration.queries.ended import ERRORS, EndedGroup, ended_groups, ended_sum, first_ended_at
from orchestration.services.load_chunks import FLEET, Chunks, Place, moment, place_of, places_of

SETTLED = 30
"""Seconds after which nothing is expected to be committed that ended before."""
LATE = 300
"""Until then minutes may still be counted anew; an hour is closed so long after its end."""
AT_ONCE = 300
"""Seconds counted in one transaction when many were missed."""
HELD_FOR = 3
"""A sample stands for so many seconds back at most, where the clock or the machine left some out."""


class Sampled(NamedTuple):
    """``before``: the sample before it, where it was seconds ago and by the same process."""

    at: datetime
    sample: LoadSample
    before: "Sampled | None" = None


class _NoLongerHeld(Exception):
    """Somebody else leads now, and writes the history."""


def record(
    *,
    samples: Sequence[Sampled],
    now: datetime,
    role: str = "",
    holder: str = "",
    taken: Callable[[], None] = lambda: None,
) -> None:
    """Takes the samples in and counts what has ended since. ``holder``: who must hold that role at each commit;
    ``taken`` is called once the samples are in for good, whatever fails after that."""
    keeper = _Keeper(now, role, holder)
    try:
        keeper.catch_up()
        keeper.count(samples)
        taken()
        keeper.roll()
    except _NoLongerHeld:
        return


class _Keeper:
    def __init__(self, now: datetime, role: str, holder: str) -> None:
        self._role, self._holder = role, holder
        self._second = int(now.timestamp())
        self._nodes = set(Node.objects.values_list("pk", flat=True))
        self._stored = dict(LoadMark.objects.values_list("level", "until_at"))
        self._marks = self._first_marks(now)

    def _first_marks(self, now: datetime) -> dict[Level, int]:
        """Where it goes on; never in the future, where a clock that was ahead may have left them."""
        if len(self._stored) == len(LEVELS):
            ends = {level: int(self._stored[level.number].timestamp()) for level in LEVELS}
            return {level: min(end, level.floor(self._second)) for level, end in ends.items()}
        first = first_ended_at(now - timedelta(seconds=HOURS.kept))
        return dict.fromkeys(LEVELS, HOURS.floor((first or now).timestamp()))

    def catch_up(self) -> None:
        """What was missed so long ago that no seconds are kept of it is counted in minutes or hours at once."""
        old, edge = self._marks[SECONDS], MINUTES.floor(self._second - SECONDS.kept)
        if old >= edge:
            return
        far, start = HOURS.floor(self._second - MINUTES.kept), MINUTES.floor(old)
        self._roll(MINUTES, MINUTES.ceil(old))
        if old < far:
            closed = self._marks[HOURS]
            self._roll(HOURS, HOURS.floor(old) + HOURS.unit)
            self._recount(HOURS, closed, far)
            self._close({HOURS: far})
            start = far
        self._recount(MINUTES, start, edge)
        self._close({MINUTES: edge, SECONDS: edge})

    def count(self, samples: Sequence[Sampled]) -> None:
        """The seconds until now, in parts where there are many."""
        taken = [sampled for sampled in samples if sampled.at.timestamp() >= self._marks[SECONDS]]
        while True:
            start = self._marks[SECONDS]
            end = min(start + AT_ONCE, self._second)
            final = end if end < self._second else max(start, end - SETTLED)
            mine = [sampled for sampled in taken if sampled.at.timestamp() < end or end == self._second]
            taken = taken[len(mine) :]
            chunks = Chunks(SECONDS, start - HELD_FOR, self._second + 1 if end == self._second else end)
            for sampled in mine:
                _take(chunks, sampled, self._nodes)
            _count(chunks, start, end)
            self._write(chunks, {SECONDS: final})
            if end == self._second:
                return

    def roll(self) -> None:
        closed = self._marks[MINUTES]
        self._roll(MINUTES, MINUTES.floor(self._marks[SECONDS]))
        until = HOURS.floor(self._marks[MINUTES] - LATE)
        for hour in range(self._marks[HOURS], until, HOURS.unit):
            self._compare(hour)
        if until > self._marks[HOURS]:
            self._roll(HOURS, until)
            LoadSeries.objects.exclude(Exists(LoadChunk.objects.filter(series=OuterRef("pk")))).delete()
        if self._marks[MINUTES] > closed:
            self._prune()

    def _compare(self, hour: int) -> None:
        """Something was committed late if the attempts that ended in this hour are not those that were counted."""
        counted: Totals = {}
        for place, at, track in Chunks(MINUTES, hour, hour + HOURS.unit).tracks():
            if place == FLEET and at == hour:
                counted = track.total()
        if (counted.get("ended", 0), counted.get("output_tokens", 0)) != ended_sum(hour, hour + HOURS.unit):
            self._recount(MINUTES, hour, hour + HOURS.unit)

    def _roll(self, level: Level, until: int) -> None:
        """Points of this level from the chunks of the finer one, each of which is exactly one."""
        start = self._marks[level]
        if until <= start:
            return
        chunks = Chunks(level, start, until)
        for place, at, track in Chunks(FINER[level], start, until).tracks():
            if start <= at < until:
                chunks.put(place, at, track.total())
        self._write(chunks, {level: until})

    def _recount(self, level: Level, start: int, end: int) -> None:
        for begins in level.chunks(start, end):
            first, last = max(start, begins), min(end, begins + level.span)
            chunks = Chunks(level, first, last)
            _count(chunks, first, last)
            self._write(chunks, {})

    def _write(self, chunks: Chunks, marks: Mapping[Level, int]) -> None:
        changed = chunks.changed()
        with transaction.atomic():
            if changed:
                chunks.write(changed)
            self._mark(marks)

    @transaction.atomic
    def _close(self, marks: Mapping[Level, int]) -> None:
        self._mark(marks)

    def _require_role(self) -> None:
        """A look without a lock: the next decision renews the role, and must not wait for this transaction. Whoever
        led in between, if only for a moment, has moved the marks: what was read before is then worth nothing."""
        held = RoleLease.objects.filter(role=self._role, holder=self._holder, until__gte=timezone.now())
        if self._holder and not held.exists():
            raise _NoLongerHeld
        if dict(LoadMark.objects.select_for_update().values_list("level", "until_at")) != self._stored:
            raise _NoLongerHeld

    def _mark(self, marks: Mapping[Level, int]) -> None:
        self._require_role()
        self._marks.update(marks)
        self._stored = {level.number: moment(at) for level, at in self._marks.items()}
        LoadMark.objects.bulk_create(
            [LoadMark(level=number, until_at=until) for number, until in self._stored.items()],
            update_conflicts=True,
            unique_fields=["level"],
            update_fields=["until_at"],
        )

    def _prune(self) -> None:
        old = Q()
        for level in LEVELS:
            age = level.kept + level.spare + level.span
            old |= Q(level=level.number, starts_at__lt=moment(self._second - age))
        LoadChunk.objects.filter(old).delete()


def _count(chunks: Chunks, start: int, end: int) -> None:
    chunks.forget(start, end, (*COUNTED, *WAITS))
    for group in ended_groups(start, end, chunks.level.unit):
        values = _values(group)
        for place in places_of(group.node_id, group.node_name, group.model):
            chunks.add(place, group.at, values)


def _values(group: EndedGroup) -> dict[str, float]:
    values: dict[str, float] = {
        "ended": group.attempts,
        "errors": group.attempts if group.status in ERRORS else 0,
        "prompt_tokens": group.prompt_tokens,
        "output_tokens": group.output_tokens,
    }
    if group.wait is not None:
        values[WAITS[bucket_of(group.wait)]] = group.attempts
    return values


def _take(chunks: Chunks, sampled: Sampled, nodes: Collection[int]) -> None:
    """``nodes``: those that are there still."""
    last = int(sampled.at.timestamp())
    first = max(last - HELD_FOR, int(sampled.before.at.timestamp())) if sampled.before else last - 1
    for place, values in _gauges(sampled.sample, nodes):
        for at in range(min(first + 1, last), last + 1):
            chunks.add(place, at, values)
    if sampled.before:
        for place in _loaded(sampled.before.sample, sampled.sample, nodes):
            chunks.add(place, last, {"loads": 1})


def _gauges(sample: LoadSample, known: Collection[int]) -> Iterator[tuple[Place, Totals]]:
    totals, nodes = sample["totals"], sample["nodes"]
    told = [node["vram_used_bytes"] for node in nodes if node["vram_used_bytes"] is not None]
    rate = totals["tokens_per_second"]
    fleet = _gauge(totals["running"], totals["waiting"], rate, sum(told) if told else None)
    yield FLEET, {**fleet, "samples": 1, "rate_samples": int(rate is not None)}
    for model in sample["models"]:
        values = _gauge(model["running"], model["waiting"], model["tokens_per_second"], model["vram_bytes"])
        yield Place(model=model["name"]), values
    for node in nodes:
        here = _place_of(node, known)
        yield here, _gauge(node["running"], 0, node["tokens_per_second"], node["vram_used_bytes"])
        for resident in node["models"]:
            values = _gauge(resident["running"], 0, resident["tokens_per_second"], resident["vram_bytes"])
            yield here._replace(model=resident["name"]), values


def _gauge(running: int, waiting: int, rate: float | None, vram: int | None) -> dict[str, float]:
    peaks = {"running_peak": running, "waiting_peak": waiting}
    memory = {} if vram is None else {"vram": float(vram), "vram_samples": 1}
    return {"running": running, "waiting": waiting, "rate": float(rate or 0), **peaks, **memory}


def _place_of(node: NodeLoad, known: Collection[int]) -> Place:
    return place_of(node["id"] if node["id"] in known else None, node["name"])


def _loaded(before: LoadSample, after: LoadSample, known: Collection[int]) -> Iterator[Place]:
    """Models that were not in memory and are now, with every series that counts them. Of a node that did not answer
    before nobody knows what it had."""
    had = {node["id"]: _resident(node["models"]) for node in before["nodes"] if node["slots"] is not None}
    for node in after["nodes"]:
        if node["slots"] is not None and node["id"] in had:
            for model in _resident(node["models"]) - had[node["id"]]:
                yield from places_of(*_place_of(node, known)[:2], model)


def _resident(models: Sequence[Mapping[str, object]]) -> set[str]:
    return {str(model["name"]) for model in models if (model["vram_bytes"], model["loaded_bytes"]) != (None, None)}
