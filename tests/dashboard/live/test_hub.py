"""One reader for all: what it hands on, and what it does when Redis goes away, forgets or is flushed."""

import asyncio
import json
from contextlib import suppress

import pytest
from django.conf import settings
from django.db import OperationalError

from dashboard.live.hub import REPLAYED_AT_MOST, ROWS_AT_MOST, Hub
from dashboard.live.reads import read
from orchestration import events, queries

SECONDS = 10


class Watcher:
    """Keeps what it is told."""

    def __init__(self):
        self.events = []
        self.resets = 0
        self.told = asyncio.Event()

    def on_event(self, event):
        self.events.append(event)
        self.told.set()

    def on_reset(self):
        self.resets += 1
        self.told.set()

    async def until(self, condition):
        async with asyncio.timeout(SECONDS):
            while not condition(self):
                self.told.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await self.told.wait()

    @property
    def numbers(self):
        return [event.data["n"] for event in self.events]


@pytest.fixture
async def hub(redis_server):
    hub = Hub(settings.REDIS_URL)
    keeper = Watcher()
    await hub.join(keeper)
    yield hub
    await hub.leave(keeper)


@pytest.fixture
async def watcher(hub):
    watcher = Watcher()
    await hub.join(watcher)
    yield watcher
    await hub.leave(watcher)


def publish(*numbers):
    events.publish([("task", {"n": number}) for number in numbers])


def write(attempt_id, *frames):
    for frame in frames:
        events.connection().xadd(events.attempt_stream(attempt_id), {"f": json.dumps(frame)})


async def test_every_listener_gets_every_event_once_and_in_order(hub, watcher):
    other = Watcher()
    await hub.join(other)
    publish(*range(3000))
    for one in (watcher, other):
        await one.until(lambda one: len(one.events) >= 3000)
        assert one.numbers == list(range(3000))
    await hub.leave(other)


async def test_what_was_published_before_joining_is_not_told(redis_server):
    publish(1)
    hub, watcher = Hub(settings.REDIS_URL), Watcher()
    await hub.join(watcher)
    publish(2)
    await watcher.until(lambda one: one.events)
    assert watcher.numbers == [2]
    await hub.leave(watcher)


async def test_the_seq_is_the_id_of_the_stream_entry(hub, watcher, redis_server):
    publish(1)
    await watcher.until(lambda one: one.events)
    ((entry_id, _),) = redis_server.client.xrange(events.EVENTS)
    assert watcher.events[0].seq == entry_id == hub.seq


async def test_events_since_a_seq_are_replayed(hub, watcher):
    publish(1, 2, 3)
    await watcher.until(lambda one: len(one.events) == 3)
    missed = await hub.since(watcher.events[0].seq)
    assert [event.data["n"] for event in missed] == [2, 3]
    assert await hub.since(hub.seq) == []


@pytest.fixture
async def three(transactional_db, submit, redis_server):
    run = await read(submit, "one", "two", "three")
    ids = await read(lambda: list(run.tasks.order_by("pk").values_list("pk", flat=True)))
    redis_server.flush()
    return ids


def told(watcher):
    return [(event.kind, event.data.get("id", event.data.get("n"))) for event in watcher.events]


async def test_rows_of_many_changed_tasks_are_read_once_and_told_in_their_place(three, hub, watcher, monkeypatch):
    reads = []
    by_id = queries.task_rows_by_id
    monkeypatch.setattr(queries, "task_rows_by_id", lambda ids: [reads.append(ids), by_id(ids)][1])
    one, two, three_ = three
    many = ("tasks", {"ids": [one, three_, three_ + 1000]})
    await hub.leave(watcher)
    await hub.join(watcher)
    events.publish([("load", {"n": 1}), many, ("load", {"n": 2}), ("tasks", {"ids": [one, two]})])
    await watcher.until(lambda one: len(one.events) >= 5)
    assert told(watcher) == [("load", 1), ("task", one), ("task", three_), ("load", 2), ("task", two)]
    assert watcher.events[1].data["title"] == "one"
    assert watcher.events[1].seq == watcher.events[2].seq < watcher.events[3].seq
    assert len(reads) == 1


async def test_who_missed_a_change_of_many_takes_a_snapshot(three, hub, watcher):
    publish(1)
    await watcher.until(lambda one: one.events)
    seq = hub.seq
    events.publish([("tasks", {"ids": three})])
    await watcher.until(lambda one: len(one.events) == 4)
    assert await hub.since(seq) is None
    assert await hub.since(hub.seq) == []


async def test_more_changes_than_anybody_shows_are_a_reset(hub, watcher):
    resets = watcher.resets
    events.publish([("tasks", {"ids": list(range(ROWS_AT_MOST + 1))})])
    await watcher.until(lambda one: one.resets == resets + 1)
    publish(7)
    await watcher.until(lambda one: one.events)
    assert told(watcher) == [("task", 7)]


async def test_rows_that_cannot_be_read_are_a_reset(hub, watcher, monkeypatch, caplog):
    def refuse(ids):
        raise OperationalError("no connection")

    resets = watcher.resets
    monkeypatch.setattr(queries, "task_rows_by_id", refuse)
    events.publish([("tasks", {"ids": [1]})])
    await watcher.until(lambda one: one.resets == resets + 1)
    assert "no connection" in caplog.text


async def test_a_seq_that_was_trimmed_or_is_too_old_cannot_be_replayed(hub, watcher, redis_server):
    publish(0)
    await watcher.until(lambda one: one.events)
    first = hub.seq
    publish(*range(REPLAYED_AT_MOST + 1))
    await watcher.until(lambda one: len(one.events) == REPLAYED_AT_MOST + 2)
    assert await hub.since(first) is None
    redis_server.client.xtrim(events.EVENTS, maxlen=1, approximate=False)
    assert await hub.since(watcher.events[-2].seq) is None
    assert await hub.since("nonsense") is None


async def test_a_flushed_stream_resets_everybody_once(hub, watcher, redis_server):
    publish(1)
    await watcher.until(lambda one: one.events)
    redis_server.flush()
    publish(2)
    await watcher.until(lambda one: one.resets)
    publish(3)
    await watcher.until(lambda one: one.numbers[-1:] == [3])
    assert watcher.resets == 1


async def test_a_redis_that_comes_back_empty_resets_everybody_and_events_go_on(hub, watcher, redis_server):
    publish(1)
    await watcher.until(lambda one: one.events)
    await asyncio.to_thread(redis_server.stop)
    await watcher.until(lambda one: not hub.connected)
    await asyncio.to_thread(redis_server.start)
    await watcher.until(lambda one: one.resets)
    publish(2)
    await watcher.until(lambda one: one.numbers[-1:] == [2])


async def test_who_joins_while_redis_is_away_is_reset_when_it_comes(redis_server):
    await asyncio.to_thread(redis_server.stop)
    hub, watcher = Hub(settings.REDIS_URL), Watcher()
    await hub.join(watcher)
    assert not hub.connected
    assert await hub.watch(1, print) == []
    await asyncio.to_thread(redis_server.start)
    await watcher.until(lambda one: one.resets)
    assert hub.connected
    await hub.leave(watcher)


async def test_an_entry_of_somebody_else_is_skipped(hub, watcher, redis_server):
    redis_server.client.xadd(events.EVENTS, {"x": "y"})
    redis_server.client.xadd(events.EVENTS, {"k": "task", "d": "{"})
    publish(1)
    await watcher.until(lambda one: one.events)
    assert watcher.numbers == [1]


async def test_a_listener_that_breaks_the_reader_does_not_end_it(hub, watcher, caplog):
    class Broken(Watcher):
        def on_event(self, event):
            raise RuntimeError("broken")

    broken = Broken()
    await hub.join(broken)
    publish(1)
    await watcher.until(lambda one: one.resets)
    await hub.leave(broken)
    publish(2)
    await watcher.until(lambda one: 2 in one.numbers)
    assert "broke" in caplog.text


async def test_an_attempt_is_read_from_its_beginning_and_then_live(hub):
    write(7, {"o": 0, "t": "Hel"})
    live = asyncio.Queue()
    assert await hub.watch(7, live.put_nowait) == [{"o": 0, "t": "Hel"}]
    write(7, {"o": 3, "t": "lo"})
    async with asyncio.timeout(SECONDS):
        assert await live.get() == {"o": 3, "t": "lo"}
    hub.unwatch(7, live.put_nowait)


async def test_an_attempt_that_has_not_written_yet_is_read_when_it_does(hub):
    live = asyncio.Queue()
    assert await hub.watch(8, live.put_nowait) == []
    write(8, {"o": 0, "t": "a"}, {"o": 1, "t": "b"})
    async with asyncio.timeout(SECONDS):
        assert [(await live.get())["t"], (await live.get())["t"]] == ["a", "b"]
    hub.unwatch(8, live.put_nowait)


async def test_a_long_attempt_is_read_whole_by_a_second_watcher(hub):
    write(9, *({"o": n, "t": "x"} for n in range(2500)))
    first, second = asyncio.Queue(), asyncio.Queue()
    assert len(await hub.watch(9, first.put_nowait)) == 2500
    assert len(await hub.watch(9, second.put_nowait)) == 2500
    write(9, {"o": 2500, "t": "y"})
    async with asyncio.timeout(SECONDS):
        assert (await first.get()) == (await second.get()) == {"o": 2500, "t": "y"}
    hub.unwatch(9, first.put_nowait)
    hub.unwatch(9, second.put_nowait)


async def test_the_last_to_leave_stops_the_reader_and_a_newcomer_starts_it(redis_server):
    hub, first, second = Hub(settings.REDIS_URL), Watcher(), Watcher()
    await hub.join(first)
    await hub.leave(first)
    assert not hub.connected
    await hub.join(second)
    publish(1)
    await second.until(lambda one: one.events)
    assert first.events == []
    await hub.leave(second)
