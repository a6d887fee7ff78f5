"""The search finds what is Ollama and nothing else, and ends in time."""

import asyncio
from datetime import timedelta

from orchestration.engine.scan import Found, search
from orchestration.ollama.simulator import NodeSpec
from tests.ollama.rawserver import RawServer


async def _refused_port() -> int:
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port


async def test_servers_are_found_among_closed_ports_and_strangers(make_simulator):
    herd = make_simulator([NodeSpec(models=("llama3.2:latest",), version="0.30.2")])

    async def web_page(peer):
        await peer.answer(b"<html>hello</html>", kind="text/html")

    async with RawServer(web_page) as stranger:
        closed = f"http://127.0.0.1:{await _refused_port()}"
        outcome = await search([closed, stranger.url, herd.nodes[0].url])
    assert outcome.found == [Found(base_url=herd.nodes[0].url, version="0.30.2", models=1)]
    assert (outcome.asked, outcome.complete) == (3, True)


async def test_a_server_that_says_nothing_does_not_keep_the_search_beyond_its_time(make_simulator):
    herd = make_simulator([NodeSpec()])

    async def silent(peer):
        await peer.gone()

    async with RawServer(silent) as server:
        outcome = await search([server.url, herd.nodes[0].url], within=timedelta(seconds=2))
    assert [found.base_url for found in outcome.found] == [herd.nodes[0].url]
    assert (outcome.asked, outcome.complete) == (1, False)


async def test_nothing_to_ask_is_a_search_that_is_over():
    outcome = await search([])
    assert (outcome.found, outcome.complete) == ([], True)


async def test_a_found_server_is_sent_no_headers_and_follows_no_redirect():
    async def elsewhere(peer):
        assert "authorization" not in peer.request.headers
        await peer.send(b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n")

    async with RawServer(elsewhere) as server:
        assert (await search([server.url])).found == []
        assert len(server.requests) == 1
