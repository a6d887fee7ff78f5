import asyncio

import pytest

from orchestration.engine.doctor import CHECKS, check_node
from orchestration.errors import InvalidNodeAddress
from orchestration.ollama.simulator import NodeSpec


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
