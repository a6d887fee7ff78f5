"""Answers that fail, stop, stall, or are not Ollama's, after the connection was made."""

import asyncio
import json

import pytest

from orchestration.errors import (
    MalformedAnswer,
    StreamFailed,
    StreamStalled,
    StreamTruncated,
)
from orchestration.ollama.client import OllamaClient, Timeouts
from tests.ollama.rawserver import (
    SHORT,
    RawServer,
    collect,
    collect_into,
    say,
    talk,
    words,
)


async def test_an_error_line_ends_the_stream_after_what_was_said():
    async def play(peer):
        await say(peer, "a", done=False)
        await peer.object(error="model runner has unexpectedly stopped", done=True)
        await peer.end()

    found = []
    async with RawServer(play) as server, OllamaClient(server.url) as client:
        with pytest.raises(StreamFailed, match="unexpectedly stopped"):
            await collect_into(found, client)
    assert found == ["a"]


async def test_an_error_in_a_complete_answer_is_a_failure_too():
    async def play(peer):
        await peer.answer({"error": "pull model manifest: file does not exist"})

    async with RawServer(play) as server, OllamaClient(server.url) as client:
        with pytest.raises(StreamFailed):
            await client.embed(model="m", inputs=["x"])


async def test_a_stream_that_ends_without_done_is_truncated():
    async def play(peer):
        await say(peer, "a", done=False)
        await peer.end()

    found = []
    async with RawServer(play) as server, OllamaClient(server.url) as client:
        with pytest.raises(StreamTruncated, match="without an object that says done"):
            await collect_into(found, client)
    assert found == ["a"]


async def test_a_single_answer_that_is_not_done_is_truncated():
    async def play(peer):
        await peer.answer(words("a")[0])

    async with RawServer(play) as server, OllamaClient(server.url) as client:
        with pytest.raises(StreamTruncated):
            await collect(client, stream=False)


@pytest.mark.parametrize("ending", ["cut", "hang_up"])
async def test_a_connection_lost_in_the_middle_is_truncated(ending):
    heard = asyncio.Event()

    async def play(peer):
        await say(peer, "a", done=False)
        await heard.wait()
        getattr(peer, ending)()

    async with RawServer(play) as server, OllamaClient(server.url) as client, talk(client) as chunks:
        assert (await anext(chunks)).text == "a"
        heard.set()
        with pytest.raises(StreamTruncated, match="lost in the middle") as caught:
            await anext(chunks)
    assert caught.value.detail == {"cause": "lost"}


async def test_a_stream_that_ends_inside_an_object_is_truncated():
    async def play(peer):
        await say(peer, "a", done=False)
        await peer.chunk(b'{"model": "m", "mess')
        await peer.end()

    async with RawServer(play) as server, OllamaClient(server.url) as client:
        with pytest.raises(StreamTruncated, match="last object"):
            await collect(client)


async def test_an_empty_answer_is_truncated():
    async def play(peer):
        await peer.begin()
        await peer.end()

    async with RawServer(play) as server, OllamaClient(server.url) as client:
        with pytest.raises(StreamTruncated):
            await collect(client)


@pytest.mark.parametrize("sent_before", ["nothing", "headers", "blank lines", "half an object"])
async def test_no_first_object_in_time_is_a_stall(sent_before):
    async def play(peer):
        if sent_before != "nothing":
            await peer.begin()
        if sent_before == "blank lines":
            await peer.chunk(b"\n \n")
        if sent_before == "half an object":
            await peer.chunk(b'{"model":')
        await peer.gone()

    async with RawServer(play) as server, OllamaClient(server.url, timeouts=Timeouts(first_object=SHORT)) as client:
        with pytest.raises(StreamStalled, match=r"0\.1 s") as caught:
            await collect(client)
    assert caught.value.detail == {"waited_for": "first_object", "limit_seconds": 0.1}


async def test_no_further_object_in_time_is_a_stall_and_closes_the_socket():
    left = asyncio.Event()

    async def play(peer):
        await say(peer, "a", done=False)
        await peer.gone()
        left.set()

    found = []
    async with RawServer(play) as server, OllamaClient(server.url) as client:
        with pytest.raises(StreamStalled) as caught:
            await collect_into(found, client, timeouts=Timeouts(between_objects=SHORT))
        await left.wait()
    assert found == ["a"]
    assert caught.value.detail["waited_for"] == "between_objects"


async def test_bytes_that_never_become_an_object_do_not_postpone_the_stall():
    async def play(peer):
        await say(peer, "a", done=False)
        gone = asyncio.create_task(peer.gone())
        while not gone.done():
            await peer.chunk(b" ")
            await asyncio.wait([gone], timeout=0.01)

    async with RawServer(play) as server, OllamaClient(server.url) as client:
        with pytest.raises(StreamStalled):
            await collect(client, timeouts=Timeouts(between_objects=SHORT))


async def test_a_slow_reader_is_no_stall_of_the_server(monkeypatch):
    late = 0.0
    loop = asyncio.get_running_loop()
    real_time = loop.time
    monkeypatch.setattr(loop, "time", lambda: real_time() + late)

    async def play(peer):
        await say(peer, "a")
        await peer.end()

    async with RawServer(play) as server, OllamaClient(server.url) as client, talk(client) as chunks:
        await anext(chunks)
        late = 3600.0
        assert (await anext(chunks)).done


async def test_a_timeout_of_the_caller_is_not_taken_for_a_stall():
    async def play(peer):
        await peer.gone()

    async with RawServer(play) as server, OllamaClient(server.url) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await collect(client)


async def test_a_short_call_that_takes_too_long_is_a_stall():
    async def play(peer):
        await peer.gone()

    async with RawServer(play) as server, OllamaClient(server.url, timeouts=Timeouts(metadata=SHORT)) as client:
        for call in (client.version(), client.tags(), client.ps(), client.show("m"), client.unload("m")):
            with pytest.raises(StreamStalled) as caught:
                await call
            assert caught.value.detail["waited_for"] == "answer"


@pytest.mark.parametrize(
    "body",
    [b"<!doctype html><title>Hello</title>", b"Ollama is running", b"[1, 2]", b"\xff\xfe\x00", b'{"odd": 1}', b""],
)
async def test_what_is_not_ollamas_protocol_is_malformed(body):
    async def play(peer):
        await peer.answer(body, kind="text/html")

    async with RawServer(play) as server, OllamaClient(server.url) as client:
        calls = [client.version(), client.tags(), client.ps(), client.embed(model="m", inputs=["x"])]
        for call in [*calls, *([collect(client)] if body else [])]:
            with pytest.raises(MalformedAnswer):
                await call


async def test_garbage_after_good_objects_is_malformed_and_loses_none_of_them():
    async def play(peer):
        await peer.begin()
        await peer.chunk(b"\n".join(json.dumps(spoken).encode() for spoken in words("a", done=False)) + b"\nrubbish\n")
        await peer.end()

    found = []
    async with RawServer(play) as server, OllamaClient(server.url) as client:
        with pytest.raises(MalformedAnswer, match="not a JSON object"):
            await collect_into(found, client)
    assert found == ["a"]


async def test_a_server_that_does_not_speak_http_is_malformed():
    async def play(peer):
        await peer.send(b"SSH-2.0-OpenSSH_9.9\r\n")
        await peer.gone()

    async with RawServer(play) as server, OllamaClient(server.url) as client:
        with pytest.raises(MalformedAnswer, match="does not answer in HTTP"):
            await client.version()


async def test_a_broken_chunk_in_the_middle_is_truncated():
    async def play(peer):
        await say(peer, "a", done=False)
        await peer.send(b"zz\r\n")
        await peer.gone()

    async with RawServer(play) as server, OllamaClient(server.url) as client:
        with pytest.raises((StreamTruncated, MalformedAnswer)):
            await collect(client)


async def test_a_compressed_answer_is_malformed():
    async def play(peer):
        await peer.begin(extra="Content-Encoding: gzip\r\n")
        await peer.end()

    async with RawServer(play) as server, OllamaClient(server.url) as client:
        with pytest.raises(MalformedAnswer, match="compressed"):
            await client.tags()


async def test_a_single_answer_has_a_limit():
    async def play(peer):
        await peer.begin()
        while True:
            await peer.chunk(b" " * 1024 * 1024)

    async with RawServer(play) as server, OllamaClient(server.url) as client:
        with pytest.raises(MalformedAnswer, match="larger than"):
            await client.tags()
