import asyncio
import socket
from urllib.parse import urlsplit

import pytest

from orchestration.engine.doctor import CHECKS, check_node
from orchestration.errors import InvalidNodeAddress
from orchestration.ollama.simulator import NodeSpec
from orchestration.services import secrets
from tests.ollama.rawserver import RawServer


async def test_a_healthy_server_passes_all_six(make_simulator):
    herd = make_simulator([NodeSpec(speed=50, models=("llama3.2:latest", "nomic-embed-text:latest"))])
    found = await check_node(herd.nodes[0].url)
    assert [check.name for check in found] == list(CHECKS)
    assert all(check.ok for check in found), found
    assert "llama3.2:latest answers" in found[4].message


async def test_an_older_server_is_not_tested_with_an_embedding_model(make_simulator):
    models = ("llama3.2:latest", "nomic-embed-text:latest")
    herd = make_simulator([NodeSpec(speed=50, models=models, version="0.24.0")])
    found = await check_node(herd.nodes[0].url)
    assert "llama3.2:latest answers" in found[4].message


async def test_a_closed_port_names_the_command_that_mends_it():
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    found = await check_node(f"http://127.0.0.1:{port}")
    assert [check.ok for check in found] == [True, False, None, None, None, None]
    assert "OLLAMA_HOST=0.0.0.0" in found[1].fix


async def test_a_name_with_two_addresses_is_open_when_one_of_them_answers(make_simulator, monkeypatch):
    herd = make_simulator([NodeSpec(speed=50)])
    port = urlsplit(herd.nodes[0].url).port

    real = socket.getaddrinfo

    def both(host, *args, **more):
        hosts = ("127.0.0.9", "127.0.0.1") if host == "two.test" else (host,)
        return [found for each in hosts for found in real(each, *args, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    found = await check_node(f"http://two.test:{port}")
    assert [check.message for check in found[:2]] == ["two.test is 127.0.0.9, 127.0.0.1", f"port {port} is open"]


async def test_a_name_without_an_address_fails_at_dns():
    found = await check_node("http://no-such-host.invalid:11434")
    assert found[0].ok is False
    assert "no address" in found[0].message


async def test_something_that_is_not_ollama_fails_at_its_version():
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\nconnection: close\r\n\r\n<html></html>")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    found = await check_node(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    server.close()
    assert found[2].ok is False
    assert "proxy" in found[2].fix


async def test_a_server_without_models_is_told_to_pull_one(make_simulator):
    herd = make_simulator([NodeSpec(models=())])
    found = await check_node(herd.nodes[0].url)
    assert found[3].ok is False
    assert "ollama pull" in found[3].fix


async def test_a_failing_generation_keeps_the_servers_words(make_simulator):
    herd = make_simulator([NodeSpec(speed=50, models=("llama3.2:latest",))])
    herd.nodes[0].faults({"kind": "load_error"})
    found = await check_node(herd.nodes[0].url)
    assert found[4].ok is False
    assert found[4].fix


async def test_an_address_that_is_never_called_is_refused():
    with pytest.raises(InvalidNodeAddress):
        await check_node("http://169.254.169.254")


TOKEN = "tok-1a2b3c4d5e"


async def _of_a_guarded_server(headers, status=401):
    """It answers those who say the token, and repeats to others what they said."""

    async def play(peer):
        said = peer.request.headers.get("authorization", "nothing")
        if said == f"Bearer {TOKEN}":
            await peer.answer({"version": "0.30.0"} if peer.request.path.endswith("version") else {"models": []})
        else:
            await peer.answer({"error": f"you said {said}"}, status)

    async with RawServer(play) as server:
        return await check_node(server.url, headers=secrets.seal(headers))


async def test_a_server_that_wants_a_token_is_asked_with_the_stored_one():
    found = await _of_a_guarded_server({"authorization": f"Bearer {TOKEN}"})
    assert found[2].message == "Ollama 0.30.0"


async def test_a_server_that_wants_another_token_says_where_to_enter_it_and_does_not_show_the_wrong_one():
    found = await _of_a_guarded_server({"authorization": "Bearer wrong-token-1"})
    assert "enter its token" in found[2].fix
    assert "wrong-token-1" not in repr(found)
    assert "you said" in found[2].message


async def test_a_name_that_ollama_does_not_know_is_said_to_be_that():
    found = await _of_a_guarded_server({"x-other": "1"}, status=403)
    assert "Host" in found[2].fix


async def test_headers_that_no_key_opens_are_a_check_of_their_own(settings):
    sealed = secrets.seal({"authorization": f"Bearer {TOKEN}"})
    settings.SECRET_KEY = "another"
    found = await check_node("http://127.0.0.1:1", headers=sealed)
    assert (found[0].name, found[0].ok, len(found)) == ("Headers", False, 7)
    assert "DROVER_SECRETS_KEYS" in found[0].message
