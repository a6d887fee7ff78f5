"""One request and its answer, piece by piece: what arrives, what is waited for, what is left open."""

import asyncio

import pytest

from orchestration.errors import MalformedAnswer, StreamStalled, StreamTruncated
from orchestration.ollama import exchange as exchanges
from orchestration.ollama.exchange import Answer, Patience
from tests.ollama.conftest import LONG, Ask
from tests.ollama.rawserver import SHORT, Peer, RawServer


async def lines_of(answer: Answer) -> list[list[bytes]]:
    """As they came: those that arrived together stand together."""
    found = []
    while lines := await answer.lines():
        found.append(lines)
    return found


async def test_lines_come_as_soon_as_they_are_whole_and_together_if_they_arrived_together(ask: Ask) -> None:
    heard = asyncio.Event()

    async def play(peer: Peer) -> None:
        await peer.begin()
        await peer.chunk(b'{"a":1}\n{"a":2}\n{"a"')
        await heard.wait()
        await peer.chunk(b":3}\n")
        await peer.end()

    async with RawServer(play) as server, ask(server.url) as answer:
        assert await answer.lines() == [b'{"a":1}', b'{"a":2}']
        heard.set()
        assert await lines_of(answer) == [[b'{"a":3}']]
        assert await answer.lines() == []


async def test_a_last_line_needs_no_line_end(ask: Ask) -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(b'{"a":1}\n{"a":2}')

    async with RawServer(play) as server, ask(server.url) as answer:
        found = await lines_of(answer)
    assert [line for lines in found for line in lines] == [b'{"a":1}', b'{"a":2}']


async def test_a_last_object_cut_in_half_is_truncated_but_other_text_is_handed_over(ask: Ask) -> None:
    bodies = iter([b'{"a":1}\n{"a', b'{"a":1}\nrubbish'])

    async def play(peer: Peer) -> None:
        await peer.answer(next(bodies))

    async with RawServer(play) as server:
        async with ask(server.url) as answer:
            with pytest.raises(StreamTruncated) as caught:
                await lines_of(answer)
        async with ask(server.url) as answer:
            assert [line for lines in await lines_of(answer) for line in lines][-1] == b"rubbish"
    assert caught.value.detail == {"cause": "ended_early"}


@pytest.mark.parametrize("ended", [True, False])
async def test_a_line_has_a_limit_also_before_it_ends(ask: Ask, ended: bool) -> None:
    async def play(peer: Peer) -> None:
        await peer.begin()
        await peer.chunk(b'{"a":"' + b"x" * 100 + (b'"}\n' if ended else b""))
        await peer.gone()

    async with RawServer(play) as server, ask(server.url, line_limit=50) as answer:
        with pytest.raises(MalformedAnswer, match="longer than 50 bytes"):
            await answer.lines()


async def test_a_body_is_put_together_up_to_its_limit(ask: Ask) -> None:
    async def play(peer: Peer) -> None:
        await peer.begin()
        for piece in (b'{"a":', b" ", b"1}"):
            await peer.chunk(piece)
        await peer.end()

    async with RawServer(play) as server:
        async with ask(server.url) as answer:
            assert await answer.body(limit=8) == b'{"a": 1}'
        async with ask(server.url) as answer:
            with pytest.raises(MalformedAnswer, match="larger than 7 bytes") as caught:
                await answer.body(limit=7)
    assert caught.value.detail == {"limit": 7}


# Waiting --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("patience", "word"),
    [(Patience(first=SHORT, between=LONG), "first_object"), (Patience.once(SHORT), "answer")],
)
async def test_a_silent_node_is_waited_for_as_long_as_patience_lasts(ask: Ask, patience: Patience, word: str) -> None:
    async def play(peer: Peer) -> None:
        await peer.gone()

    async with RawServer(play) as server:
        with pytest.raises(StreamStalled, match=r"^gpu-a sent nothing complete for 0\.1 s$") as caught:
            async with ask(server.url, patience):
                pytest.fail("nothing was answered")
    assert caught.value.detail == {"waited_for": word, "limit_seconds": 0.1}


async def test_patience_for_what_follows_begins_with_the_first_object(ask: Ask) -> None:
    async def play(peer: Peer) -> None:
        await peer.begin()
        await peer.chunk(b'{"a":1}\n')
        await peer.gone()

    async with RawServer(play) as server, ask(server.url, Patience(first=LONG, between=SHORT)) as answer:
        assert await answer.lines() == [b'{"a":1}']
        with pytest.raises(StreamStalled) as caught:
            await answer.lines()
    assert caught.value.detail == {"waited_for": "between_objects", "limit_seconds": 0.1}


async def test_an_end_that_does_not_come_is_not_waited_for(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchanges, "_FINISH_SECONDS", 0.05)
    left = asyncio.Event()

    async def play(peer: Peer) -> None:
        await peer.begin()
        await peer.chunk(b'{"a":1}\n')
        await peer.gone()
        left.set()

    async with RawServer(play) as server:
        async with asyncio.timeout(10), ask(server.url) as answer:
            await answer.lines()
            await answer.finish()
        await left.wait()


async def test_the_connection_is_closed_by_leaving_early_and_kept_after_the_end(ask: Ask) -> None:
    left = asyncio.Event()

    async def play(peer: Peer) -> None:
        await peer.begin()
        await peer.chunk(b'{"a":1}\n')
        if peer.request.path == "/endless":
            await peer.gone()
            left.set()
        else:
            await peer.end()

    async with RawServer(play) as server:
        for _ in range(2):
            async with ask(f"{server.url}/short") as answer:
                await answer.lines()
                await answer.finish()
        assert server.connections == 1
        async with ask(f"{server.url}/endless") as answer:
            await answer.lines()
        await left.wait()
