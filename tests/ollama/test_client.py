"""What the client asks and how it reads a faithful answer."""

import asyncio
import json
from datetime import timedelta

import pytest

from orchestration.errors import (
    MalformedAnswer,
    Refused,
    StreamFailed,
    StreamTruncated,
)
from orchestration.ollama import wire
from orchestration.ollama.client import OllamaClient
from tests.ollama.rawserver import (
    MESSAGES,
    RawServer,
    collect,
    everything,
    say,
    talk,
    words,
)


async def test_a_chat_arrives_object_by_object():
    async def play(peer):
        await say(peer, "Blue", " whales")
        await peer.end()

    async with RawServer(play) as server, OllamaClient(server.url) as client:
        chunks = await collect(client)
    assert [chunk.text for chunk in chunks] == ["Blue", " whales", ""]
    assert [chunk.done for chunk in chunks] == [False, False, True]
    request = server.requests[0]
    assert (request.method, request.path) == ("POST", "/api/chat")
    assert request.json == {"model": "m", "messages": MESSAGES, "stream": True}
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["host"] == f"127.0.0.1:{server.port}"


async def test_an_object_is_yielded_before_the_next_one_is_sent():
    heard = asyncio.Event()

    async def play(peer):
        await say(peer, "first", done=False)
        await heard.wait()
        await peer.object(**words()[0])
        await peer.end()

    async with RawServer(play) as server, OllamaClient(server.url) as client, talk(client) as chunks:
        assert (await anext(chunks)).text == "first"
        heard.set()
        assert (await anext(chunks)).done


async def test_everything_that_was_given_is_sent_and_nothing_else():
    async def play(peer):
        await peer.answer({"model": "m", "response": "", "done": True})

    async with RawServer(play) as server, OllamaClient(server.url) as client:
        calls = [
            client.generate(model="m", prompt="p", stream=False),
            client.generate(
                model="m",
                prompt="p",
                system="s",
                template="t",
                suffix="x",
                images=["aGk="],
                format="json",
                options={"num_ctx": 8192},
                keep_alive=timedelta(minutes=5),
                think=False,
                raw=True,
            ),
            client.chat(
                model="m",
                messages=MESSAGES,
                tools=[{"type": "function"}],
                format={"type": "object"},
                keep_alive=timedelta.max,
                think="high",
            ),
        ]
        for call in calls:
            assert [chunk.done for chunk in await everything(call)] == [True]
    assert [request.json for request in server.requests] == [
        {"model": "m", "prompt": "p", "stream": False},
        {
            "model": "m",
            "prompt": "p",
            "stream": True,
            "system": "s",
            "template": "t",
            "suffix": "x",
            "images": ["aGk="],
            "format": "json",
            "options": {"num_ctx": 8192},
            "keep_alive": 300,
            "think": False,
            "raw": True,
        },
        {
            "model": "m",
            "messages": MESSAGES,
            "stream": True,
            "tools": [{"type": "function"}],
            "format": {"type": "object"},
            "keep_alive": -1,
            "think": "high",
        },
    ]


async def test_lines_and_characters_may_be_cut_anywhere():
    async def play(peer):
        await peer.begin()
        data = b"".join(json.dumps(spoken, ensure_ascii=False).encode() + b"\r\n\n" for spoken in words("Wal 🐋", "é"))
        for position in range(len(data)):
            await peer.chunk(data[position : position + 1])
        await peer.end()

    async with RawServer(play) as server, OllamaClient(server.url) as client:
        assert [chunk.text for chunk in await collect(client)] == ["Wal 🐋", "é", ""]


async def test_many_objects_may_come_at_once_and_the_last_without_a_line_end():
    async def play(peer):
        await peer.begin()
        await peer.chunk(b"\n".join(json.dumps(spoken).encode() for spoken in words("a", "b", "c")))
        await peer.end()

    async with RawServer(play) as server, OllamaClient(server.url) as client:
        assert [chunk.text for chunk in await collect(client)] == ["a", "b", "c", ""]


async def test_a_line_of_many_megabytes_arrives():
    size = 9 * 1024 * 1024

    async def play(peer):
        await say(peer, "x" * size)
        await peer.end()

    async with RawServer(play) as server, OllamaClient(server.url) as client:
        assert len((await collect(client))[0].text) == size


async def test_a_line_without_an_end_is_given_up():
    async def play(peer):
        await peer.begin()
        while True:
            await peer.chunk(b"x" * 1024 * 1024)

    async with RawServer(play) as server, OllamaClient(server.url) as client:
        with pytest.raises(MalformedAnswer, match="longer than"):
            await collect(client)


async def test_a_request_of_many_megabytes_is_sent_with_its_length():
    async def play(peer):
        await peer.answer({"model": "m", "response": "seen", "done": True})

    image = "QUJD" * 1024 * 1024
    async with RawServer(play) as server, OllamaClient(server.url) as client:
        (chunk,) = await everything(client.generate(model="m", prompt="what is it?", images=[image]))
    assert chunk.text == "seen"
    assert server.requests[0].json["images"] == [image]
    assert "transfer-encoding" not in server.requests[0].headers


async def test_the_short_calls_ask_and_read():
    answers = {
        "/team/api/version": {"version": "0.33.0"},
        "/team/api/tags": {"models": [{"name": "orchid:8b"}]},
        "/team/api/ps": {"models": [{"name": "orchid:8b", "size_vram": 5}]},
        "/team/api/show": {"model_info": {}, "template": "{{ .Prompt }}"},
        "/team/api/embed": {"embeddings": [[0.5]], "prompt_eval_count": 2},
    }

    async def play(peer):
        await peer.answer(answers[peer.request.path])

    headers = {"Authorization": "Bearer k"}
    async with RawServer(play) as server, OllamaClient(server.url + "/team/", headers=headers) as client:
        assert await client.version() == "0.33.0"
        assert [model.name for model in await client.tags()] == ["orchid:8b"]
        assert [model.vram_bytes for model in await client.ps()] == [5]
        assert (await client.show("orchid:8b")).template == "{{ .Prompt }}"
        result = await client.embed(model="e", inputs=["x"], truncate=False, dimensions=8)
        assert (result.vectors, result.metrics.prompt_tokens) == ([[0.5]], 2)
    assert {request.headers["authorization"] for request in server.requests} == {"Bearer k"}
    assert [request.method for request in server.requests] == ["GET", "GET", "GET", "POST", "POST"]
    assert server.requests[3].json == {"model": "orchid:8b", "verbose": False}
    assert server.requests[4].json == {"model": "e", "input": ["x"], "truncate": False, "dimensions": 8}


async def test_delete_and_copy_need_no_body_in_the_answer():
    async def play(peer):
        await peer.answer(b"")

    async with RawServer(play) as server, OllamaClient(server.url) as client:
        await client.delete("old")
        await client.copy("a", "b")
    assert [(request.method, request.path, request.json) for request in server.requests] == [
        ("DELETE", "/api/delete", {"model": "old"}),
        ("POST", "/api/copy", {"source": "a", "destination": "b"}),
    ]


async def test_load_and_unload_send_an_empty_prompt():
    async def play(peer):
        await peer.answer({"model": "m", "response": "", "done": True, "done_reason": "load"})

    async with RawServer(play) as server, OllamaClient(server.url) as client:
        await client.load("m", options={"num_ctx": 4096}, keep_alive=wire.FOREVER)
        await client.unload("m")
    load = {"model": "m", "prompt": "", "stream": False, "options": {"num_ctx": 4096}, "keep_alive": -1}
    assert [request.json for request in server.requests] == [
        load,
        {"model": "m", "prompt": "", "stream": False, "keep_alive": 0},
    ]


async def test_an_embedding_model_is_loaded_by_embedding_nothing():
    async def play(peer):
        if peer.request.path == "/api/generate":
            await peer.answer({"error": '"e" does not support generate'}, 400)
        else:
            await peer.answer({"model": "e", "embeddings": []})

    async with RawServer(play) as server, OllamaClient(server.url) as client:
        await client.load("e", keep_alive=timedelta(minutes=1))
    assert server.requests[1].path == "/api/embed"
    assert server.requests[1].json == {"model": "e", "input": [], "keep_alive": 60}


async def test_other_refusals_to_load_are_reported():
    async def play(peer):
        await peer.answer({"error": "model 'm' not found"}, 404)

    async with RawServer(play) as server, OllamaClient(server.url) as client:
        with pytest.raises(Refused, match="not found"):
            await client.load("m")
    assert len(server.requests) == 1


async def test_a_pull_reports_progress_until_success():
    async def play(peer):
        await peer.begin()
        await peer.object(status="pulling manifest")
        await peer.object(status="pulling 7c1e", digest="sha256:7c1e", total=10, completed=4)
        await peer.object(status="success")
        await peer.end()

    async with RawServer(play) as server, OllamaClient(server.url) as client:
        steps = await everything(client.pull("m"))
    found = [(step.status, step.completed, step.done) for step in steps]
    assert found == [("pulling manifest", None, False), ("pulling 7c1e", 4, False), ("success", None, True)]
    assert server.requests[0].json == {"model": "m", "stream": True}


@pytest.mark.parametrize(
    ("last", "error"), [({"error": "pull model manifest: file does not exist"}, StreamFailed), (None, StreamTruncated)]
)
async def test_a_pull_that_does_not_succeed_is_an_error(last, error):
    async def play(peer):
        await peer.begin()
        await peer.object(status="pulling manifest")
        if last:
            await peer.object(**last)
        await peer.end()

    async with RawServer(play) as server, OllamaClient(server.url) as client:
        with pytest.raises(error):
            await everything(client.pull("m"))
