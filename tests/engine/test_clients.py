"""Clients of nodes as the settings want them, over real sockets."""

import asyncio
import json
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestration.engine.clients import new_client
from orchestration.errors import InvalidNodeAddress, StreamStalled, Unreachable
from tests.ollama.certificates import self_signed_context
from tests.ollama.rawserver import RawServer, collect, collect_into, say

SHORT = timedelta(milliseconds=100)


async def test_silence_before_the_first_object_lasts_as_long_as_the_settings_allow(settings: Any) -> None:
    settings.DROVER_FIRST_OBJECT_TIMEOUT = SHORT

    async def play(peer):
        await peer.begin()
        await peer.gone()

    async with RawServer(play) as server, new_client(server.url, verify_tls=True) as client:
        with pytest.raises(StreamStalled) as caught:
            await collect(client)
    assert caught.value.detail == {"waited_for": "first_object", "limit_seconds": 0.1}


async def test_silence_between_objects_lasts_as_long_as_the_settings_allow(settings: Any) -> None:
    settings.DROVER_BETWEEN_OBJECTS_TIMEOUT = SHORT

    async def play(peer):
        await say(peer, "a", done=False)
        await peer.gone()

    found: list[str] = []
    async with RawServer(play) as server, new_client(server.url, verify_tls=True) as client:
        with pytest.raises(StreamStalled) as caught:
            await collect_into(found, client)
    assert found == ["a"]
    assert caught.value.detail == {"waited_for": "between_objects", "limit_seconds": 0.1}


async def test_a_connection_takes_as_long_as_the_settings_allow(settings: Any) -> None:
    settings.DROVER_CONNECT_TIMEOUT = SHORT
    # The queue of connections is full and nobody takes one out, so that a further one waits for ever.
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        async with new_client(f"http://127.0.0.1:{full.getsockname()[1]}", verify_tls=True) as client:
            with pytest.raises(Unreachable) as caught:
                await asyncio.wait_for(client.version(), 3)  # below the client's own default
    assert caught.value.detail == {"cause": "connect_timeout"}


async def test_settings_count_from_the_client_made_after_them(settings: Any) -> None:
    async def play(peer):
        await say(peer, "a")
        await peer.end()

    async with RawServer(play) as server, new_client(server.url, verify_tls=True) as before:
        settings.DROVER_FIRST_OBJECT_TIMEOUT = timedelta(0)
        assert [chunk.text for chunk in await collect(before)] == ["a", ""]
        async with new_client(server.url, verify_tls=True) as after:
            with pytest.raises(StreamStalled):
                await collect(after)


@pytest.mark.parametrize("url", ["http://127.0.0.1:11434", "http://10.0.0.5", "http://[::1]:11434"])
def test_private_nodes_are_called_only_where_the_settings_allow_it(settings: Any, url: str) -> None:
    assert new_client(url, verify_tls=True).base_url == url
    settings.DROVER_ALLOW_PRIVATE_NODES = False
    with pytest.raises(InvalidNodeAddress, match="not allowed by the settings"):
        new_client(url, verify_tls=True)


async def test_a_name_that_leads_to_a_private_address_is_not_called_either(settings: Any) -> None:
    settings.DROVER_ALLOW_PRIVATE_NODES = False

    async def play(peer):
        await peer.answer({"version": "1"})

    async with RawServer(play) as server, new_client(f"http://localhost:{server.port}", verify_tls=True) as client:
        with pytest.raises(Unreachable) as caught:
            await client.version()
    assert caught.value.detail["cause"] == "address_not_allowed"
    assert server.requests == []


@pytest.mark.parametrize("allow_private", [True, False])
def test_a_metadata_service_is_never_called(settings: Any, allow_private: bool) -> None:
    settings.DROVER_ALLOW_PRIVATE_NODES = allow_private
    with pytest.raises(InvalidNodeAddress):
        new_client("http://169.254.169.254", verify_tls=True)


async def test_a_node_with_its_own_certificate_is_called_where_that_was_chosen(tmp_path: Path) -> None:
    async def play(peer):
        await peer.answer({"version": "0.33.0"})

    async with RawServer(play, tls=self_signed_context(tmp_path)) as server:
        async with new_client(server.url, verify_tls=True) as client:
            with pytest.raises(Unreachable) as caught:
                await client.version()
        async with new_client(server.url, verify_tls=False) as client:
            assert await client.version() == "0.33.0"
    assert caught.value.detail["cause"] == "tls_certificate"
    assert len(server.requests) == 1


async def test_two_clients_of_one_node_share_no_connection_and_no_way_out(settings: Any) -> None:
    async def play(peer):
        await peer.answer({"version": json.dumps(peer.request.headers.get("user-agent"))})

    async with RawServer(play) as server:
        one, two = (new_client(server.url, verify_tls=True) for _ in range(2))
        assert await one.version() == await two.version() == '"drover"'
        await one.aclose()
        assert await two.version() == '"drover"'
        await two.aclose()
    assert server.connections == 2
