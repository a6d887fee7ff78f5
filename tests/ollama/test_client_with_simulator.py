"""The client and the simulated server, which were written apart from the same contract, over a real socket."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from orchestration.errors import (
    MalformedAnswer,
    OllamaError,
    Refused,
    StreamFailed,
    StreamStalled,
    StreamTruncated,
    Unreachable,
)
from orchestration.ollama.client import OllamaClient, Timeouts
from orchestration.ollama.simulator import Fault, NodeSpec, SimulatedNode
from orchestration.ollama.wire import FOREVER
from tests.ollama.rawserver import MESSAGES, everything

MODELS = ("llama3.2:latest", "qwen3:8b", "mistral:7b", "nomic-embed-text:latest")


@pytest.fixture
async def node() -> AsyncIterator[SimulatedNode]:
    spec = NodeSpec(models=MODELS, speed=200.0, context_length=4096, pull_gb_per_second=50.0)
    async with SimulatedNode(spec) as node:
        yield node


@pytest.fixture
async def client(node) -> AsyncIterator[OllamaClient]:
    timeouts = Timeouts(first_object=timedelta(seconds=20), between_objects=timedelta(seconds=1))
    async with OllamaClient(node.url, timeouts=timeouts) as client:
        yield client


async def test_what_is_installed_is_listed(client):
    assert await client.version()
    models = {model.name: model for model in await client.tags()}
    assert set(models) == set(MODELS)
    assert len(models["llama3.2:latest"].digest) == 64
    assert "tools" in models["llama3.2:latest"].capabilities
    assert models["nomic-embed-text:latest"].capabilities == ("embedding",)
    details = await client.show("llama3.2")
    assert details.context_length == 131072
    assert "completion" in details.capabilities


async def test_what_an_older_server_does_not_list_is_asked_for(node, client):
    node.spec.version = "0.24.0"
    models = {model.name: model for model in await client.tags()}
    listed = models["nomic-embed-text:latest"]
    assert (listed.capabilities, listed.context_length) == ((), None)
    described = await client.described(listed)
    assert (described.capabilities, described.context_length) == (("embedding",), 2048)
    assert described.digest == listed.digest


async def test_what_is_listed_is_not_asked_for_again(node, client):
    listed = (await client.tags())[0]
    assert await client.described(listed) is listed


async def test_a_generation_streams_and_ends_with_metrics(client):
    chunks = await everything(client.generate(model="llama3.2", prompt="echo: one two three"))
    assert "".join(chunk.text for chunk in chunks).strip() == "one two three"
    last = chunks[-1]
    assert (last.done, last.done_reason, last.model) == (True, "stop", "llama3.2")
    assert last.metrics.load > timedelta()
    assert last.metrics.total >= last.metrics.load + last.metrics.prefill + last.metrics.decode
    assert last.metrics.output_tokens > 0
    assert last.metrics.tokens_per_second > 0


async def test_a_single_answer_says_the_same_as_a_stream(client):
    request = {"model": "llama3.2", "messages": [{"role": "user", "content": "echo: salt and tea"}]}
    streamed = await everything(client.chat(**request))
    (single,) = await everything(client.chat(**request, stream=False))
    assert single.done
    assert single.text == "".join(chunk.text for chunk in streamed)


async def test_a_thinking_model_thinks_unless_told_not_to(client):
    thoughtful = await everything(client.chat(model="qwen3:8b", messages=MESSAGES))
    quick = await everything(client.chat(model="qwen3:8b", messages=MESSAGES, think=False))
    assert any(chunk.thinking for chunk in thoughtful)
    assert not any(chunk.thinking for chunk in quick)


async def test_models_are_loaded_kept_and_unloaded(client):
    await client.load("llama3.2", options={"num_ctx": 2048}, keep_alive=FOREVER)
    await client.load("nomic-embed-text", keep_alive=timedelta(minutes=1))
    loaded = {model.name: model for model in await client.ps()}
    assert set(loaded) == {"llama3.2:latest", "nomic-embed-text:latest"}
    assert loaded["llama3.2:latest"].context_length == 2048
    assert loaded["llama3.2:latest"].expires_at.year > 2300
    assert loaded["nomic-embed-text:latest"].expires_at > datetime.now(UTC)
    await client.unload("llama3.2")
    await client.unload("nomic-embed-text")
    while await client.ps():
        pass


async def test_texts_are_embedded_in_their_order(client):
    result = await client.embed(model="nomic-embed-text", inputs=["tea", "salt", "tea"])
    first, second, third = result.vectors
    assert first == third != second
    assert result.metrics.prompt_tokens > 0


async def test_a_model_is_pulled_copied_and_deleted(client):
    steps = await everything(client.pull("all-minilm"))
    assert steps[-1].done
    assert any(step.total and step.completed == step.total for step in steps)
    await client.copy("all-minilm", "mini")
    await client.delete("all-minilm")
    names = {model.name for model in await client.tags()}
    assert "mini:latest" in names
    assert "all-minilm:latest" not in names


async def test_what_the_server_refuses_is_refused(client):
    with pytest.raises(Refused, match="not found") as caught:
        await everything(client.chat(model="no-such-model", messages=MESSAGES))
    assert caught.value.status == 404
    with pytest.raises(Refused, match="does not support thinking"):
        await everything(client.generate(model="mistral:7b", prompt="Hello", think=True))
    with pytest.raises(StreamFailed, match="file does not exist"):
        await everything(client.pull("no-such-model"))


FAULTS = [
    ("reset", Unreachable),
    ("busy", Refused),
    ("not_found", Refused),
    ("server_error", Refused),
    ("html", MalformedAnswer),
    ("error_line", StreamFailed),
    ("runner_crash", StreamFailed),
    ("truncate", StreamTruncated),
    ("drop", StreamTruncated),
    ("stall", StreamStalled),
    ("garbage", MalformedAnswer),
]


@pytest.mark.parametrize(("kind", "error"), FAULTS)
async def test_each_fault_is_the_error_that_names_it(node, client, kind, error):
    node.faults.add(Fault(kind, count=1, after_tokens=2))
    with pytest.raises(OllamaError) as caught:
        await everything(client.generate(model="llama3.2", prompt="tell me a long story"))
    assert type(caught.value) is error
    chunks = await everything(client.generate(model="llama3.2", prompt="echo: well again"))
    assert chunks[-1].done


async def test_leaving_a_generation_frees_its_slot(client):
    chunks = client.generate(model="llama3.2", prompt="tell me a long story", options={"num_predict": 4000})
    await anext(chunks)
    await chunks.aclose()
    again = await everything(client.generate(model="llama3.2", prompt="echo: free"))
    assert again[-1].done


async def test_cancelling_while_a_model_loads_aborts_the_load():
    async with SimulatedNode(NodeSpec(models=MODELS, speed=1.0)) as node, OllamaClient(node.url) as client:
        task = asyncio.create_task(client.load("llama3.2"))
        while not node.state()["loading"]:
            await client.version()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        while node.state()["loading"]:
            await client.version()
        assert await client.ps() == []
