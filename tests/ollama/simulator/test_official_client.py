"""The official Python client as a conformance test, synchronous and asynchronous."""

import hashlib
from collections.abc import Iterator

import httpx
import ollama
import pytest

from orchestration.ollama.simulator import Herd, NodeHandle, run_in_thread
from tests.ollama.simulator.calling import quick

WEATHER_TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Current weather of a city",
        "parameters": {"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}},
    },
}


@pytest.fixture(scope="module")
def herd() -> Iterator[Herd]:
    with run_in_thread([quick()]) as herd:
        yield herd


@pytest.fixture
def node(herd: Herd) -> Iterator[NodeHandle]:
    yield herd.nodes[0]
    herd.nodes[0].clear_faults()


@pytest.fixture
def client(node: NodeHandle) -> Iterator[ollama.Client]:
    with ollama.Client(host=node.url) as client:
        yield client


def test_list_shows_each_installed_model_with_a_full_digest(client):
    models = client.list().models
    assert {"llama3.2:latest", "nomic-embed-text:latest"} <= {model.model for model in models}
    assert all(len(model.digest) == 64 and model.size > 0 and model.modified_at.tzinfo for model in models)


def test_ps_shows_a_loaded_model(client):
    client.generate("llama3.2", "echo: hi")
    entry = next(model for model in client.ps().models if model.model == "llama3.2:latest")
    assert entry.size_vram == entry.size > 0
    assert entry.context_length == 4096
    assert entry.expires_at.tzinfo is not None


def test_show_has_model_info_and_capabilities(client):
    shown = client.show("qwen3:8b")
    assert shown.modelinfo["qwen3.context_length"] == 40_960
    assert shown.capabilities == ["completion", "tools", "thinking"]
    assert shown.details.family == "qwen3"


def test_generate_answers_in_one_piece(client):
    answer = client.generate("llama3.2", "echo: the rest of it")
    assert (answer.response, answer.done, answer.done_reason, answer.model) == (
        "the rest of it",
        True,
        "stop",
        "llama3.2",
    )
    assert answer.total_duration >= answer.load_duration > 0
    assert len(answer.context) == answer.prompt_eval_count + answer.eval_count


def test_generate_streams_token_by_token(client):
    parts = list(client.generate("llama3.2", "Explain rivers", stream=True, options={"num_predict": 30}))
    assert len(parts) == 31
    assert [part.done for part in parts] == [False] * 30 + [True]
    assert parts[-1].done_reason == "length"
    assert parts[-1].eval_count == 30


def test_chat_answers_in_one_piece_and_as_a_stream(client):
    messages = [{"role": "user", "content": "echo: one two three"}]
    assert client.chat("llama3.2", messages).message.content == "one two three"
    parts = list(client.chat("llama3.2", messages, stream=True))
    assert "".join(part.message.content for part in parts) == "one two three"
    assert all(part.message.role == "assistant" for part in parts)


def test_a_thinking_model_thinks_unless_told_not_to(client):
    messages = [{"role": "user", "content": "echo: done"}]
    assert client.chat("qwen3:8b", messages).message.thinking
    assert client.chat("qwen3:8b", messages, think=False).message.thinking is None


def test_a_rendered_tool_call_comes_in_a_chunk_of_its_own(client):
    messages = [{"role": "user", "content": "What is the weather in Paris?"}]
    parts = list(client.chat("llama3.2", messages, tools=[WEATHER_TOOL], stream=True))
    with_calls = [part for part in parts if part.message.tool_calls]
    assert [part.done for part in with_calls] == [False]
    call = with_calls[0].message.tool_calls[0]
    assert (call.function.name, call.function.arguments) == ("get_weather", {"city": "Paris"})


def test_a_native_tool_call_comes_with_the_final_object(client):
    messages = [{"role": "user", "content": "What is the weather in Paris?"}]
    parts = list(client.chat("mistral:7b", messages, tools=[WEATHER_TOOL], stream=True))
    assert [part.done for part in parts if part.message.tool_calls] == [True]


def test_a_tool_result_is_answered_in_words(client):
    messages = [
        {"role": "user", "content": "What is the weather in Paris?"},
        {"role": "tool", "tool_name": "get_weather", "content": "echo: sunny"},
    ]
    answer = client.chat("llama3.2", messages, tools=[WEATHER_TOOL])
    assert (answer.message.content, answer.message.tool_calls) == ("sunny", None)


def test_embed_gives_one_normalised_vector_per_text(client):
    answer = client.embed("nomic-embed-text", ["red boats", "blue boats"])
    assert [len(vector) for vector in answer.embeddings] == [768, 768]
    assert sum(value * value for value in answer.embeddings[0]) == pytest.approx(1.0)
    assert answer.prompt_eval_count > 0


def test_the_older_embeddings_call_gives_one_vector(client):
    assert len(client.embeddings("nomic-embed-text", "red boats").embedding) == 768


def test_pull_reports_each_layer_and_installs_the_model(client):
    steps = list(client.pull("qwen3:0.6b", stream=True))
    assert steps[0].status == "pulling manifest"
    assert steps[-1].status == "success"
    layers = [step for step in steps if step.digest]
    assert layers[0].completed is None
    assert any(step.completed == step.total for step in layers)
    assert client.show("qwen3:0.6b").details.family == "qwen3"


def test_pull_in_one_piece_says_success(client):
    assert client.pull("all-minilm").status == "success"


def test_copy_and_delete_say_success(client):
    assert client.copy("llama3.2", "mine").status == "success"
    digests = {model.model: model.digest for model in client.list().models}
    assert digests["mine:latest"] == digests["llama3.2:latest"]
    assert client.delete("mine").status == "success"
    assert "mine:latest" not in {model.model for model in client.list().models}


def test_create_from_an_installed_model_keeps_its_weights_and_adds_a_system_text(client):
    steps = list(client.create("pirate", from_="llama3.2", system="Arr.", parameters={"num_ctx": 2048}, stream=True))
    assert steps[-1].status == "success"
    shown = client.show("pirate")
    assert shown.parameters == f"{'num_ctx':<30} 2048"
    assert "Arr." in shown.modelfile
    client.delete("pirate")


def test_create_from_an_uploaded_file(client, tmp_path):
    file = tmp_path / "tiny.gguf"
    file.write_bytes(b"GGUF" + bytes(100))
    digest = client.create_blob(file)
    assert digest == f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
    assert client.create("tiny", files={"tiny.gguf": digest}).status == "success"
    assert client.generate("tiny", "echo: it works").response == "it works"
    client.delete("tiny")


@pytest.mark.parametrize(
    ("call", "status", "text"),
    [
        (lambda client: client.generate("absent", "x"), 404, "model 'absent' not found"),
        (lambda client: client.chat("absent", [{"role": "user", "content": "x"}]), 404, "model 'absent' not found"),
        (lambda client: client.show("absent"), 404, "model 'absent:latest' not found"),
        (lambda client: client.delete("absent"), 404, "model 'absent' not found"),
        (lambda client: client.copy("absent", "x"), 404, 'model "absent" not found'),
        (lambda client: client.embed("absent", "x"), 404, 'model "absent" not found, try pulling it first'),
        (lambda client: client.generate("nomic-embed-text", "x"), 400, '"nomic-embed-text" does not support generate'),
        (lambda client: client.generate("llama3.2", "x", think=True), 400, '"llama3.2" does not support thinking'),
        (lambda client: client.generate("a/b/c/d", "x"), 400, "invalid model name"),
        (lambda client: client.pull("absent"), 500, "pull model manifest: file does not exist"),
    ],
)
def test_refusals_carry_status_and_text(client, call, status, text):
    with pytest.raises(ollama.ResponseError) as caught:
        call(client)
    assert (caught.value.status_code, caught.value.error) == (status, text)


def test_an_error_in_the_middle_of_a_stream_has_no_status(client, node):
    node.faults({"kind": "error_line", "after_tokens": 3, "count": 1})
    seen = []

    def read_all():
        seen.extend(part.response for part in client.generate("llama3.2", "echo: a b c d e f", stream=True))

    with pytest.raises(ollama.ResponseError) as caught:
        read_all()
    assert caught.value.status_code == -1
    assert len(seen) == 3


def test_refused_connections_raise_what_the_client_documents(client, node):
    node.faults({"kind": "refuse"})
    with pytest.raises(ConnectionError):
        client.list()
    with pytest.raises(httpx.ConnectError):
        next(iter(client.generate("llama3.2", "x", stream=True)))
    node.revive()
    assert client.list().models


async def test_the_asynchronous_client_generates_chats_embeds_and_pulls(node):
    client = ollama.AsyncClient(host=node.url)
    try:
        assert (await client.generate("llama3.2", "echo: yes")).response == "yes"
        stream = await client.chat("llama3.2", [{"role": "user", "content": "echo: a b"}], stream=True)
        assert "".join([part.message.content async for part in stream]) == "a b"
        assert len((await client.embed("nomic-embed-text", "x", dimensions=64)).embeddings[0]) == 64
        assert [step.status async for step in await client.pull("all-minilm", stream=True)][-1] == "success"
        assert (await client.ps()).models
        with pytest.raises(ollama.ResponseError):
            await client.show("absent")
    finally:
        await client.close()


async def test_the_asynchronous_client_uploads_in_chunks(node, tmp_path):
    file = tmp_path / "small.gguf"
    file.write_bytes(b"GGUF" + bytes(200_000))
    client = ollama.AsyncClient(host=node.url)
    try:
        digest = await client.create_blob(file)
        assert (await client.create("small", files={"small.gguf": digest})).status == "success"
        assert (await client.delete("small")).status == "success"
    finally:
        await client.close()
