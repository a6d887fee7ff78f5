"""When the client closes a connection, and when it keeps it for the next call."""

import asyncio

import pytest

from orchestration.ollama.client import OllamaClient
from tests.ollama.rawserver import (
    RawServer,
    collect,
    everything,
    say,
    talk,
    words,
)


async def test_the_connection_serves_the_next_call_after_a_complete_answer():
    async def play(peer):
        if peer.request.path == "/api/version":
            await peer.answer({"version": "0.33.0"})
        else:
            await say(peer, "a")
            await peer.end()

    async with RawServer(play) as server, OllamaClient(server.url) as client:
        for _ in range(3):
            await collect(client)
            assert await client.version() == "0.33.0"
    assert server.connections == 1


async def test_a_body_that_does_not_end_after_its_last_object_does_not_hold_the_answer_back():
    async def play(peer):
        await say(peer, "a")
        await peer.gone()

    async with RawServer(play) as server, OllamaClient(server.url) as client:
        assert len(await collect(client)) == 2


async def test_a_connection_lost_after_the_last_object_loses_nothing():
    async def play(peer):
        await say(peer, "a")
        peer.cut()

    async with RawServer(play) as server, OllamaClient(server.url) as client:
        assert len(await collect(client)) == 2


async def test_leaving_a_stream_early_closes_the_socket():
    left = asyncio.Event()

    async def play(peer):
        await say(peer, "a", "b", done=False)
        await peer.gone()
        left.set()

    async with RawServer(play) as server, OllamaClient(server.url) as client:
        async with talk(client) as chunks:
            await anext(chunks)
        await left.wait()


@pytest.mark.parametrize("sent_before", ["nothing", "headers", "half an object", "an object"])
async def test_cancelling_the_task_closes_the_socket_in_every_phase(sent_before):
    reached, left = asyncio.Event(), asyncio.Event()

    async def play(peer):
        if sent_before != "nothing":
            await peer.begin()
        if sent_before == "half an object":
            await peer.chunk(b'{"model":')
        if sent_before == "an object":
            await peer.object(**words("a")[0])
        reached.set()
        await peer.gone()
        left.set()

    async with RawServer(play) as server, OllamaClient(server.url) as client:
        task = asyncio.create_task(collect(client))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await left.wait()


async def test_cancelling_while_a_pull_is_silent_closes_the_socket():
    reached, left = asyncio.Event(), asyncio.Event()

    async def play(peer):
        await peer.begin()
        await peer.object(status="pulling manifest")
        reached.set()
        await peer.gone()
        left.set()

    async with RawServer(play) as server, OllamaClient(server.url) as client:
        task = asyncio.create_task(everything(client.pull("m")))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await left.wait()


async def test_cancelling_during_a_load_closes_the_socket():
    reached, left = asyncio.Event(), asyncio.Event()

    async def play(peer):
        reached.set()
        await peer.gone()
        left.set()

    async with RawServer(play) as server, OllamaClient(server.url) as client:
        task = asyncio.create_task(client.load("m"))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await left.wait()


async def test_more_streams_than_any_pool_run_at_once():
    waiting, everybody = 0, asyncio.Event()

    async def play(peer):
        nonlocal waiting
        waiting += 1
        if waiting == 250:
            everybody.set()
        await everybody.wait()
        await say(peer, "a")
        await peer.end()

    async with RawServer(play) as server, OllamaClient(server.url) as client:
        answers = await asyncio.gather(*(collect(client) for _ in range(250)))
    assert {len(chunks) for chunks in answers} == {2}


async def test_a_closed_client_leaves_no_connection_behind():
    left = asyncio.Event()

    async def play(peer):
        await peer.answer({"version": "1"})
        await peer.gone()
        left.set()

    async with RawServer(play) as server:
        async with OllamaClient(server.url) as client:
            await client.version()
        await left.wait()
