"""Answers that are no answers: refused, redirected, nobody there."""

import asyncio
import json

import pytest

from orchestration.errors import MalformedAnswer, Refused, Unreachable
from orchestration.ollama import exchange as exchanges
from tests.ollama.conftest import Ask
from tests.ollama.rawserver import Peer, RawServer, closed_port


async def test_the_words_of_a_refusal_that_never_ends_are_not_waited_for(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchanges, "_ERROR_BODY_SECONDS", 0.05)

    async def play(peer: Peer) -> None:
        await peer.begin(503)
        await peer.chunk(b'{"error":')
        await peer.gone()

    async with RawServer(play) as server:
        with pytest.raises(Refused, match=r"^HTTP 503 without a reason$") as caught:
            async with asyncio.timeout(10), ask(server.url):
                pytest.fail("it was refused")
    assert (caught.value.status, caught.value.retryable) == (503, True)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (json.dumps({"error": json.dumps({"error": {"message": "bad \0 byte"}})}).encode(), "bad \ufffd byte"),
        (b"no\0 such page", "no such page"),
        (b"long " * 1000, ("long " * 100).rstrip()),
        (b" \n<html>Bad gateway</html>", "HTTP 502 without a reason"),
        (b"{" * 5000, "{" * 500),
    ],
)
async def test_the_words_of_a_refusal_can_be_shown_and_stored(ask: Ask, body: bytes, words: str) -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(body, 502)

    async with RawServer(play) as server:
        with pytest.raises(Refused) as caught:
            async with ask(server.url):
                pytest.fail("it was refused")
    assert caught.value.message.rstrip() == words


async def test_where_a_redirect_leads_is_told_in_part(ask: Ask) -> None:
    async def play(peer: Peer) -> None:
        await peer.begin(302, extra=f"Location: http://elsewhere/{'x' * 2000}\r\n")
        await peer.end()

    async with RawServer(play) as server:
        with pytest.raises(MalformedAnswer, match="redirects") as caught:
            async with ask(server.url):
                pytest.fail("it was not followed")
    assert caught.value.detail["location"].startswith("http://elsewhere/xxx")
    assert len(caught.value.detail["location"]) == 500


async def test_nobody_there_is_told_with_the_name_of_the_node(ask: Ask) -> None:
    with pytest.raises(Unreachable, match="connection refused by gpu-a") as caught:
        async with ask(f"http://127.0.0.1:{closed_port()}"):
            pytest.fail("nobody is there")
    assert caught.value.detail == {"cause": "refused"}
