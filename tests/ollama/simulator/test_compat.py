"""The OpenAI dialect."""

import base64
import json
from array import array

import pytest

MESSAGES = [{"role": "user", "content": "echo: one two"}]
TOOL = {
    "type": "function",
    "function": {"name": "stock", "parameters": {"type": "object", "properties": {"item": {"type": "string"}}}},
}


async def events(caller, **body):
    lines = await caller.lines("/v1/chat/completions", **{"messages": MESSAGES, "stream": True} | body)
    return [line.removeprefix(b"data: ").strip() for line in lines if line.strip()]


async def test_a_completion_in_one_piece(caller):
    status, body = await caller.post("/v1/chat/completions", model="llama3.2", messages=MESSAGES)
    assert status == 200
    assert body["choices"][0]["message"] == {"role": "assistant", "content": "one two"}
    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["usage"]["total_tokens"] == body["usage"]["prompt_tokens"] + 2


async def test_a_streamed_completion_ends_with_done(caller):
    found = await events(caller, model="llama3.2", stream_options={"include_usage": True})
    assert found[-1] == b"[DONE]"
    chunks = [json.loads(event) for event in found[:-1]]
    assert "role" in chunks[0]["choices"][0]["delta"]
    assert "role" not in chunks[1]["choices"][0]["delta"]
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["completion_tokens"] == 2


@pytest.mark.parametrize("model", ["llama3.2", "mistral:7b"])
async def test_tool_calls_have_arguments_as_text_and_a_reason_of_their_own(caller, model):
    messages = [{"role": "user", "content": "How much 'green tea' is in stock?"}]
    _, body = await caller.post("/v1/chat/completions", model=model, messages=messages, tools=[TOOL])
    choice = body["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert json.loads(choice["message"]["tool_calls"][0]["function"]["arguments"]) == {"item": "green tea"}
    found = await events(caller, model=model, messages=messages, tools=[TOOL])
    assert json.loads(found[-2])["choices"][0]["finish_reason"] == "tool_calls"


async def test_errors_in_the_middle_are_swallowed(caller):
    caller.node.add_fault("error_line", after_tokens=1, count=1)
    found = await events(caller, model="llama3.2")
    assert json.loads(found[-1])["choices"][0]["delta"] == {"content": ""}


async def test_refusals_have_the_dialects_shape(caller):
    status, body = await caller.post("/v1/chat/completions", model="absent", messages=MESSAGES)
    assert (status, body["error"]["type"], body["error"]["message"]) == (
        404,
        "not_found_error",
        "model 'absent' not found",
    )
    assert (await caller.post("/v1/chat/completions", model="llama3.2", messages=[]))[0] == 400


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/llama3.2", "/v1/models/absent"])
async def test_the_dialect_names_no_charset(caller, path):
    async with caller.session.get(caller.node.url + path) as response:
        assert response.headers["Content-Type"] == "application/json"


async def test_a_schema_and_pictures_are_translated(caller):
    parts = [
        {"type": "text", "text": "a boat"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGVsbG8="}},
    ]
    schema = {"type": "object", "properties": {"size": {"type": "integer"}}, "required": ["size"]}
    status, body = await caller.post(
        "/v1/chat/completions",
        model="gemma3:4b",
        messages=[{"role": "user", "content": parts}],
        response_format={"type": "json_schema", "json_schema": {"schema": schema}},
    )
    assert status == 200
    assert isinstance(json.loads(body["choices"][0]["message"]["content"])["size"], int)


async def test_reasoning_can_be_switched_off(caller):
    for effort, thinks in (("none", False), ("low", True)):
        _, body = await caller.post(
            "/v1/chat/completions", model="qwen3:8b", messages=MESSAGES, reasoning_effort=effort
        )
        assert ("reasoning" in body["choices"][0]["message"]) is thinks


async def test_embeddings_as_numbers_and_packed(caller):
    _, plain = await caller.post("/v1/embeddings", model="nomic-embed-text", input=["a", "b"])
    _, packed = await caller.post("/v1/embeddings", model="nomic-embed-text", input="a", encoding_format="base64")
    numbers = array("f", base64.b64decode(packed["data"][0]["embedding"]))
    assert list(numbers) == pytest.approx(plain["data"][0]["embedding"])
    assert (await caller.post("/v1/embeddings", model="nomic-embed-text", input=[]))[0] == 400


async def test_models_are_listed_and_found(caller):
    _, body = await caller.call("GET", "/v1/models")
    assert {"llama3.2:latest"} <= {entry["id"] for entry in body["data"]}
    assert (await caller.call("GET", "/v1/models/llama3.2"))[1]["owned_by"] == "library"
    assert (await caller.call("GET", "/v1/models/absent"))[0] == 404
