"""Tokens on their way to those who watch."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from orchestration import events
from orchestration.engine import frames as frames_module
from orchestration.engine.frames import Frames
from orchestration.ollama.wire import Chunk
from orchestration.policy.states import Phase
from tests.engine.conftest import wait_until


def chunk(text="", thinking="", calls=()):
    return Chunk(
        text=text,
        thinking=thinking,
        tool_calls=tuple(calls),
        done=False,
        done_reason=None,
        metrics=None,
        model="",
        raw={},
    )


@pytest.fixture
async def frames(redis_server) -> AsyncIterator[Frames]:
    frames = Frames("worker-1")
    running = asyncio.create_task(frames.run())
    yield frames
    running.cancel()
    await frames.close()


def open_feed(frames, number=1, limit=0):
    return frames.open(attempt_id=number, task_id=100 + number, node="gpu-a", model="llama3.2:latest", limit=limit)


def sent(number=1):
    return [json.loads(fields["f"]) for _, fields in events.connection().xrange(events.attempt_stream(number))]


def sent_events(kind):
    entries = events.connection().xrange(events.EVENTS)
    return [json.loads(fields["d"]) for _, fields in entries if fields["k"] == kind]


async def until(condition):
    return await asyncio.to_thread(wait_until, condition)


async def test_many_tokens_become_few_frames(frames):
    feed = open_feed(frames)
    for number in range(200):
        feed.add(chunk(f"{number} "))
        if number % 50 == 49:
            await asyncio.sleep(0)
    feed.close("completed")
    got = await until(lambda: sent()[-1:] == [{"end": "completed"}] and sent())
    assert len(got) <= 4
    assert "".join(frame.get("t", "") for frame in got) == str(feed.text)


async def test_a_tick_sends_the_frames_of_all_attempts_in_one_go(frames, monkeypatch):
    rounds = []
    send = frames_module._send
    monkeypatch.setattr(frames_module, "_send", lambda worker, current: rounds.append(current) or send(worker, current))
    feeds = [open_feed(frames, number) for number in range(30)]
    for feed in feeds:
        feed.add(chunk("x"))
    await until(lambda: all(sent(number) for number in range(30)))
    assert len(rounds[0].frames) == 30


async def test_nothing_is_sent_while_nothing_happens(frames, monkeypatch):
    feed = open_feed(frames)
    feed.add(chunk("x"))
    await until(lambda: sent())
    feed.close("completed")
    await until(lambda: not frames._work.is_set())
    assert events.connection().hgetall(events.PROGRESS) == {}
    assert not frames._open


async def test_the_stream_expires(frames):
    feed = open_feed(frames)
    feed.add(chunk("x"))
    await until(lambda: sent())
    assert events.connection().ttl(events.attempt_stream(1)) > events.ATTEMPT_STREAM_SECONDS
    feed.close("failed")
    await until(lambda: sent()[-1] == {"end": "failed"})
    assert 0 < events.connection().ttl(events.attempt_stream(1)) <= events.ATTEMPT_STREAM_SECONDS


async def test_a_vanished_stream_begins_again_with_the_whole_text(frames, redis_server):
    feed = open_feed(frames)
    feed.add(chunk("one "))
    await until(lambda: sent())
    redis_server.flush()
    feed.add(chunk("two "))
    got = await until(lambda: sent())
    assert (got[0]["o"], got[0]["t"]) == (0, "one two ")


async def test_an_end_that_meets_a_vanished_stream_is_not_lost(frames, redis_server):
    feed = open_feed(frames)
    feed.add(chunk("one "))
    await until(lambda: sent())
    redis_server.flush()
    feed.close("completed")
    got = await until(lambda: sent()[-1:] == [{"end": "completed"}] and sent())
    assert got[0]["t"] == "one "


async def test_while_redis_is_away_text_gathers_and_then_comes_whole(frames, redis_server):
    feed = open_feed(frames)
    feed.add(chunk("one "))
    await until(lambda: sent())
    redis_server.stop()
    feed.add(chunk("two "))
    await until(lambda: frames._pause)
    feed.add(chunk("three"))
    redis_server.start()
    got = await until(lambda: sent())
    assert (got[0]["o"], got[0]["t"]) == (0, "one two three")
    feed.close("completed")
    await until(lambda: sent()[-1] == {"end": "completed"})


async def test_an_end_nobody_could_be_told_of_is_forgotten_in_the_end(frames, redis_server, monkeypatch):
    monkeypatch.setattr(frames_module, "ENDED_KEPT_SECONDS", 0.2)
    feed = open_feed(frames)
    redis_server.stop()
    feed.close("completed")
    await until(lambda: not frames._open)


async def test_progress_is_told_and_kept_for_those_who_come_later(frames):
    feed = open_feed(frames, limit=40)
    feed.enter(Phase.LOADING, "loading llama3.2:latest on gpu-a")
    rows = await until(lambda: [row for event in sent_events("progress") for row in event["rows"]])
    assert rows[0][:4] == [101, 1, "loading", 0]
    assert events.read_progress([101])[101]["message"] == "loading llama3.2:latest on gpu-a"
    for _ in range(10):
        feed.add(chunk("x"))
    kept = await until(lambda: (it := events.read_progress([101])[101])["output_tokens"] == 10 and it)
    assert (kept["phase"], kept["progress"], kept["attempt_id"]) == ("generating", 25, 1)
    assert kept["tokens_per_second"] > 0
    assert sent_events("progress")[-1]["worker"] == "worker-1"
    feed.close("completed")
    await until(lambda: not events.read_progress([101]))


async def test_progress_comes_back_after_redis_was_emptied(frames, redis_server, monkeypatch):
    monkeypatch.setattr(frames_module, "REFRESH_SECONDS", 0.1)
    open_feed(frames).enter(Phase.LOADING, "loading")
    await until(lambda: events.read_progress([101]))
    redis_server.flush()
    await until(lambda: events.read_progress([101]))


async def test_rates_tell_tokens_and_phases_by_node_and_model(frames):
    feed, loading = open_feed(frames, 1), open_feed(frames, 2)
    loading.enter(Phase.LOADING, "loading")
    for _ in range(7):
        feed.add(chunk("x"))
    rates = await until(lambda: (it := events.read_rates().get("worker-1")) and it["rates"] and it)
    assert rates["rates"] == {"gpu-a\0llama3.2:latest": 7}
    assert rates["phases"] == {"gpu-a\0llama3.2:latest": {"generating": 1, "loading": 1}}
    feed.close("completed")
    loading.close("cancelled")
    await until(lambda: events.read_rates()["worker-1"]["phases"] == {})


async def test_a_worker_that_leaves_takes_its_rates_with_it(redis_server):
    frames = Frames("worker-2")
    running = asyncio.create_task(frames.run())
    open_feed(frames).add(chunk("x"))
    await until(lambda: "worker-2" in events.read_rates())
    running.cancel()
    await frames.close()
    assert "worker-2" not in events.read_rates()
