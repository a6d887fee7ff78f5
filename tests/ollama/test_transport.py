"""Addresses checked at the moment of connecting, and TLS."""

import asyncio
import socket

import pytest

from orchestration.errors import (
    InvalidNodeAddress,
    Unreachable,
)
from orchestration.ollama.addresses import AddressPolicy
from orchestration.ollama.client import OllamaClient
from orchestration.ollama.transport import GuardedResolver
from tests.ollama.certificates import self_signed_context
from tests.ollama.rawserver import (
    RawServer,
)


def test_a_forbidden_address_is_refused_before_anything_is_sent():
    with pytest.raises(InvalidNodeAddress):
        OllamaClient("http://169.254.169.254")
    with pytest.raises(InvalidNodeAddress):
        OllamaClient("http://127.0.0.1:11434", addresses=AddressPolicy(allow_private=False))


async def test_a_name_is_checked_for_the_address_it_resolves_to():
    async def play(peer):
        await peer.answer({"version": "1"})

    async with RawServer(play) as server:
        url = f"http://localhost:{server.port}"
        async with OllamaClient(url) as client:
            assert await client.version() == "1"
        async with OllamaClient(url, addresses=AddressPolicy(allow_private=False)) as client:
            with pytest.raises(Unreachable, match="may not call") as caught:
                await client.version()
    assert caught.value.detail["cause"] == "address_not_allowed"
    assert len(server.requests) == 1


class FixedResolver:
    def __init__(self, *addresses):
        self.addresses = addresses

    async def resolve(self, host, port=0, family=socket.AF_INET):
        return [{"hostname": host, "host": address, "port": port} for address in self.addresses]


async def test_of_several_addresses_the_forbidden_ones_are_left_out():
    resolver = GuardedResolver(AddressPolicy(), FixedResolver("169.254.169.254", "10.0.0.5", "::ffff:169.254.169.254"))
    assert [found["host"] for found in await resolver.resolve("gpu-a", 11434)] == ["10.0.0.5"]
    resolver = GuardedResolver(AddressPolicy(), FixedResolver("169.254.169.254"))
    with pytest.raises(InvalidNodeAddress):
        await resolver.resolve("gpu-a", 11434)


@pytest.fixture
def self_signed(tmp_path):
    return self_signed_context(tmp_path)


async def test_a_certificate_that_nobody_vouches_for_is_refused(self_signed):
    async def play(peer):
        await peer.answer({"version": "1"})

    async with RawServer(play, tls=self_signed) as server:
        async with OllamaClient(server.url) as client:
            with pytest.raises(Unreachable, match=r"TLS certificate of .* is not valid: self-signed") as caught:
                await client.version()
        assert caught.value.detail["cause"] == "tls_certificate"
        async with OllamaClient(server.url, verify_tls=False) as client:
            assert await client.version() == "1"


async def test_tls_towards_a_plain_server_is_said_in_words():
    async def answer_in_plain_text(reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    plain = await asyncio.start_server(answer_in_plain_text, "127.0.0.1", 0)
    async with plain, OllamaClient(f"https://127.0.0.1:{plain.sockets[0].getsockname()[1]}") as client:
        with pytest.raises(Unreachable, match="No TLS connection") as caught:
            await client.version()
    assert caught.value.detail["cause"] == "tls"
