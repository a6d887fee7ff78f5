"""Calls that fail before the first object: unreachable nodes, refusals, redirects."""

import json
import socket

import pytest

from orchestration.errors import MalformedAnswer, Refused, Unreachable
from orchestration.ollama.client import OllamaClient, Timeouts
from tests.ollama.rawserver import (
    SHORT,
    RawServer,
    closed_port,
    collect,
)


async def test_a_refused_connection_is_said_in_words():
    async with OllamaClient(f"http://127.0.0.1:{closed_port()}") as client:
        with pytest.raises(Unreachable, match=r"connection refused by http://127\.0\.0\.1:") as caught:
            await collect(client)
        assert caught.value.detail["cause"] == "refused"
        with pytest.raises(Unreachable):
            await client.version()


async def test_a_name_that_does_not_resolve_is_said_in_words():
    async with OllamaClient("http://no-such-node.invalid:11434") as client:
        with pytest.raises(Unreachable, match="does not resolve") as caught:
            await client.tags()
    assert caught.value.detail["cause"] == "dns"


@pytest.mark.parametrize("ending", ["cut", "hang_up"])
async def test_a_connection_lost_before_the_first_object_is_unreachable(ending):
    async def play(peer):
        getattr(peer, ending)()

    async with RawServer(play) as server, OllamaClient(server.url) as client:
        with pytest.raises(Unreachable, match="before it answered") as caught:
            await collect(client)
        assert caught.value.detail["cause"] == "lost"
        assert caught.value.retryable


async def test_a_connection_lost_between_headers_and_first_object_is_unreachable():
    async def play(peer):
        await peer.begin()
        peer.cut()

    async with RawServer(play) as server, OllamaClient(server.url) as client:
        with pytest.raises(Unreachable):
            await collect(client)


async def test_a_server_that_accepts_nobody_is_unreachable():
    # The queue of connections is full and nobody takes one out, so that a further one waits for ever.
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        async with OllamaClient(url, timeouts=Timeouts(connect=SHORT)) as client:
            with pytest.raises(Unreachable, match="in time") as caught:
                await client.version()
    assert caught.value.detail["cause"] == "connect_timeout"


@pytest.mark.parametrize(
    ("status", "body", "message", "retryable"),
    [
        (404, {"error": "model 'm' not found"}, "model 'm' not found", False),
        (400, {"error": '"m" does not support chat'}, '"m" does not support chat', False),
        (503, {"error": "server busy, please try again."}, "server busy, please try again.", True),
        (499, {"error": "request canceled"}, "request canceled", True),
        (404, b"404 page not found", "404 page not found", False),
        (403, b"", "HTTP 403 without a reason: Ollama does so", False),
        (502, b"<html><h1>Bad Gateway</h1></html>", "HTTP 502 without a reason", True),
        (500, b"\xff\xfe", "��", True),
        (500, {"detail": "odd"}, "odd", True),
    ],
)
async def test_an_error_status_is_refused_with_the_servers_words(status, body, message, retryable):
    async def play(peer):
        await peer.answer(body, status)

    async with RawServer(play) as server, OllamaClient(server.url) as client:
        for call in (collect(client), client.tags(), client.embed(model="m", inputs=["x"]), client.delete("m")):
            with pytest.raises(Refused) as caught:
                await call
            assert (caught.value.status, caught.value.retryable) == (status, retryable)
            assert message in caught.value.message


async def test_the_error_of_a_runner_is_unwrapped_into_message_and_detail():
    inner = {"code": 400, "message": "too long", "type": "exceed_context_size_error", "n_prompt_tokens": 9, "n_ctx": 4}

    async def play(peer):
        await peer.answer({"error": json.dumps({"error": inner})}, 400)

    async with RawServer(play) as server, OllamaClient(server.url) as client:
        with pytest.raises(Refused, match=r"^too long$") as caught:
            await collect(client)
    assert caught.value.detail == {"status": 400, **{name: inner[name] for name in inner if name != "message"}}


async def test_an_error_status_without_an_end_is_still_refused():
    async def play(peer):
        await peer.begin(500)
        await peer.chunk(b'{"error":')
        peer.cut()

    async with RawServer(play) as server, OllamaClient(server.url) as client:
        with pytest.raises(Refused, match="HTTP 500"):
            await collect(client)


async def test_a_redirect_is_not_followed():
    async def play(peer):
        await peer.begin(307, extra="Location: http://169.254.169.254/latest\r\n")
        await peer.end()

    async with RawServer(play) as server, OllamaClient(server.url) as client:
        with pytest.raises(MalformedAnswer, match="redirects") as caught:
            await client.version()
    assert caught.value.detail == {"status": 307, "location": "http://169.254.169.254/latest"}
    assert len(server.requests) == 1
