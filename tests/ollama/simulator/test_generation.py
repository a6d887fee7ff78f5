"""What generate and chat answer: order of checks, metrics, stops, formats, thinking, logprobs, long prompts."""

import asyncio
import json
import re
import time

import pytest

from tests.ollama.simulator.calling import quick, serving

PICTURE = "aGVsbG8="
USER = [{"role": "user", "content": "echo: hi"}]


async def chat(caller, model="llama3.2", **body):
    return await caller.post("/api/chat", **{"model": model, "messages": USER, "stream": False} | body)


@pytest.mark.parametrize(
    ("path", "body", "status", "error"),
    [
        ("generate", {"model": ""}, 404, "model '' not found"),
        ("chat", {"model": ""}, 400, "model is required"),
        ("generate", {"model": "absent", "top_logprobs": 21}, 400, "top_logprobs must be between 0 and 20"),
        ("generate", {"model": "x:cloud"}, 403, "ollama cloud is disabled: remote model is unavailable"),
        ("generate", {"model": "x-cloud:local"}, 404, "model 'x-cloud:local' not found"),
        ("generate", {"model": "x:a-cloud:local"}, 400, 'use either :local or :cloud, not both: "x:a-cloud:local"'),
        (
            "generate",
            {"model": "llama3.2", "raw": True, "system": "s", "think": True},
            400,
            "raw mode does not support template, system, or context",
        ),
        ("chat", {"model": "llama3.2", "think": "high"}, 400, '"llama3.2" does not support thinking'),
        ("chat", {"model": "nomic-embed-text"}, 400, '"nomic-embed-text" does not support chat'),
        (
            "chat",
            {"model": "llama2", "tools": [{"type": "function", "function": {"name": "f"}}]},
            400,
            "registry.ollama.ai/library/llama2:latest does not support tools",
        ),
        (
            "generate",
            {"model": "llama2", "suffix": "x"},
            400,
            "registry.ollama.ai/library/llama2:latest does not support insert",
        ),
        (
            "generate",
            {"model": "llama3.2", "options": {"num_ctx": "8k"}},
            500,
            'option "num_ctx" must be of type integer',
        ),
        ("chat", {"model": "llama3.2", "options": {"stop": "x"}}, 500, 'option "stop" must be of type array'),
        (
            "generate",
            {"model": "llama3.2", "format": "xml"},
            500,
            'invalid format: "\\"xml\\""; expected "json" or a valid JSON Schema object',
        ),
    ],
)
async def test_refusals_in_the_order_of_the_server(caller, path, body, status, error):
    filled = {"stream": False, "prompt": "x"} if path == "generate" else {"stream": False, "messages": USER}
    assert await caller.post(f"/api/{path}", **filled | body) == (status, {"error": error})


async def test_the_name_is_echoed_as_it_was_sent_and_compared_without_case(caller):
    _, body = await caller.generate("LLAMA3.2")
    assert (body["model"], body["response"]) == ("LLAMA3.2", "hello")


async def test_metrics_fit_the_clock(caller):
    started = time.perf_counter_ns()
    _, body = await caller.generate(options={"num_predict": 200}, prompt="Tell me about boats")
    wall = time.perf_counter_ns() - started
    parts = body["load_duration"] + body["prompt_eval_duration"] + body["eval_duration"]
    assert 0 < parts <= body["total_duration"] <= wall
    assert (body["eval_count"], body["done_reason"]) == (200, "length")
    _, warm = await caller.generate()
    assert warm["load_duration"] > 0


async def test_load_duration_contains_the_wait_in_the_load_queue(caller):
    loads = await asyncio.gather(caller.generate("llama3.2"), caller.generate("codellama"))
    assert loads[1][1]["load_duration"] > loads[0][1]["load_duration"]


async def test_a_prompt_read_before_is_counted_but_not_read_again():
    async with serving(quick(speed=20)) as caller:
        prompt = "echo: " + "many words " * 1200
        _, first = await caller.generate(prompt=prompt)
        _, second = await caller.generate(prompt=prompt)
        assert first["prompt_eval_count"] == second["prompt_eval_count"]
        assert second["prompt_eval_duration"] < first["prompt_eval_duration"]


async def test_requests_in_one_runner_slow_each_other_down():
    async with serving(quick(slots=8, speed=5, jitter=0)) as caller:
        await caller.generate()
        _, alone = await caller.generate(prompt="x", options={"num_predict": 200})
        crowd = await asyncio.gather(*(caller.generate(prompt="x", options={"num_predict": 200}) for _ in range(5)))
        assert min(body["eval_duration"] for _, body in crowd) > 1.5 * alone["eval_duration"]


async def test_a_seed_makes_the_answer_repeatable_and_models_differ(caller):
    answers = [
        (await caller.generate(model, "Explain harbours", options={"seed": seed}))[1]["response"]
        for model, seed in (("llama3.2", 1), ("llama3.2", 1), ("llama3.2", 2), ("llama2", 1))
    ]
    assert answers[0] == answers[1]
    assert len(set(answers)) == 3


async def test_a_stop_text_ends_the_answer_before_it(caller):
    _, body = await caller.generate(prompt="echo: one two STOP three", options={"stop": ["STOP"]})
    assert (body["response"], body["done_reason"]) == ("one two ", "stop")


async def test_num_predict_may_be_only_an_upper_bound(caller):
    caller.node.configure(fill_num_predict=False)
    _, body = await caller.generate(prompt="Explain", options={"num_predict": 100_000})
    assert body["done_reason"] == "stop"
    assert body["eval_count"] < 5000


async def test_chunks_may_hold_several_tokens(caller):
    caller.node.configure(chunk_tokens=10)
    lines = await caller.lines("/api/generate", model="llama3.2", prompt="x", options={"num_predict": 40})
    assert len(lines) == 5
    assert json.loads(lines[-1])["eval_count"] == 40


async def test_every_line_is_one_object_in_the_order_a_server_writes_it(caller):
    lines = await caller.lines("/api/chat", model="llama3.2", messages=USER)
    assert list(json.loads(lines[0])) == ["model", "created_at", "message", "done"]
    assert json.loads(lines[0])["created_at"].endswith("Z")
    assert all(line.endswith(b"\n") for line in lines)


async def test_streams_are_chunked_ndjson(caller):
    body = {"model": "llama3.2", "prompt": "echo: a <b> & c"}
    async with caller.session.post(caller.node.url + "/api/generate", json=body) as response:
        assert response.headers["Content-Type"] == "application/x-ndjson"
        assert response.headers["Transfer-Encoding"] == "chunked"
        text = await response.text()
    assert "\\u003c" in text
    assert "".join(json.loads(line)["response"] for line in text.splitlines()) == "a <b> & c"


async def test_json_mode_gives_an_object_and_a_schema_what_it_asks_for(caller):
    _, body = await chat(caller, messages=[{"role": "user", "content": "a boat"}], format="json")
    assert isinstance(json.loads(body["message"]["content"]), dict)
    schema = {"type": "object", "required": ["age"], "properties": {"age": {"type": "integer", "minimum": 7}}}
    _, body = await caller.generate(prompt="a boat", format=schema)
    assert json.loads(body["response"])["age"] >= 7


async def test_thinking_comes_before_the_answer_in_both_calls(caller):
    lines = [json.loads(line) for line in await caller.lines("/api/chat", model="qwen3:8b", messages=USER)]
    kinds = ["thinking" if "thinking" in line["message"] else "content" for line in lines[:-1]]
    assert kinds == sorted(kinds, reverse=True)
    assert len(set(kinds)) == 2
    _, body = await caller.generate("qwen3:8b", think="low")
    assert body["thinking"]
    assert body["response"] == "hello"


async def test_logprobs_come_with_each_chunk_and_all_together_at_the_end(caller):
    lines = await caller.lines("/api/generate", model="llama3.2", prompt="echo: a b", logprobs=True, top_logprobs=3)
    (entry,) = json.loads(lines[0])["logprobs"]
    assert (entry["token"], entry["bytes"], len(entry["top_logprobs"])) == ("a", [97], 3)
    _, body = await caller.generate(prompt="echo: a b", logprobs=True)
    assert [entry["token"] for entry in body["logprobs"]] == ["a", " b"]


@pytest.mark.parametrize(("model", "status"), [("llama3.2", 400), ("mistral:7b", 500), ("gemma3:4b", 200)])
async def test_images_are_for_vision_models(caller, model, status):
    found, body = await chat(caller, model, messages=[{**USER[0], "images": [PICTURE]}])
    assert found == status
    if status != 200:
        assert json.loads(body["error"])["error"]["code"] == status


async def test_old_messages_are_dropped_until_the_rest_fits(caller):
    messages = [{"role": "user", "content": "x" * 3000} for _ in range(8)]
    _, body = await chat(caller, messages=[*messages, *USER], options={"num_ctx": 1024})
    assert body["message"]["content"] == "hi"
    assert body["prompt_eval_count"] <= 1024


@pytest.mark.parametrize(
    ("model", "extra", "status"),
    [
        ("llama3.2", {}, 200),
        ("llama3.2", {"shift": False}, 400),
        ("llama3.2", {"truncate": False}, 400),
        ("mistral:7b", {}, 400),
    ],
)
async def test_one_message_longer_than_the_context(caller, model, extra, status):
    messages = [{"role": "user", "content": "echo: " + "x" * 9000}]
    found, _ = await chat(caller, model, messages=messages, options={"num_ctx": 1024, "num_predict": 5}, **extra)
    assert found == status


async def test_without_shift_the_answer_ends_where_the_context_is_full(caller):
    _, body = await caller.generate(
        prompt="Explain " + "x" * 1600, shift=False, options={"num_ctx": 512, "num_predict": 5000}
    )
    assert body["done_reason"] == "length"
    assert body["eval_count"] + body["prompt_eval_count"] == 512


async def test_a_systems_text_of_the_model_is_read_too(caller):
    await caller.post("/api/create", model="wordy", **{"from": "llama3.2"}, system="s" * 400, stream=False)
    plain, wordy = (await chat(caller))[1], (await chat(caller, "wordy"))[1]
    assert wordy["prompt_eval_count"] - plain["prompt_eval_count"] >= 100


async def test_embeddings_of_chat_models_depend_on_the_version(caller):
    status, body = await caller.post("/api/embed", model="llama3.2", input="x")
    assert status == 501
    assert json.loads(body["error"])["error"]["message"].startswith("This server does not support embeddings.")
    assert (await caller.post("/api/embeddings", model="llama3.2", prompt="x"))[0] == 500
    caller.node.configure(version="0.24.0")
    assert (await caller.post("/api/embed", model="llama3.2", input="x"))[0] == 200


@pytest.mark.parametrize(
    ("body", "status", "answer"),
    [
        ({"input": ""}, 200, {"model": "nomic-embed-text", "embeddings": []}),
        ({}, 200, {"model": "nomic-embed-text", "embeddings": []}),
        ({"input": 3}, 400, {"error": "invalid input type"}),
        (
            {"input": "x" * 40_000, "truncate": False},
            400,
            {"error": "the input length exceeds the context length"},
        ),
    ],
)
async def test_embed_edge_cases(caller, body, status, answer):
    assert await caller.post("/api/embed", model="nomic-embed-text", **body) == (status, answer)


async def test_told_to_cite_numbered_passages_a_model_does(caller):
    told = "Write its number in square brackets, such as [9].\n\n[3] whales.md\nThey sing.\n\n[4]\nAt night.\n\nWhen?"
    _, body = await caller.generate(prompt=told, options={"seed": 7})
    said = body["response"]
    assert set(re.findall(r"\[(\d+)\]", said)) <= {"3", "4"}
    assert re.search(r" \[[34]\]\.", said)
