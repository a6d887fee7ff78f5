"""Creating models from other models and from files."""

import hashlib
import json

import pytest

from tests.ollama.simulator.calling import quick, serving


async def create(caller, **body):
    return [json.loads(line) for line in await caller.lines("/api/create", **body)]


async def test_a_created_model_uses_existing_layers_and_its_own_parameters(caller):
    steps = await create(caller, model="mine", **{"from": "llama3.2"}, parameters={"num_ctx": 1024}, system="Be brief.")
    assert any(step["status"].startswith("using existing layer") for step in steps)
    assert any(step["status"].startswith("creating new layer") for step in steps)
    assert steps[-2:] == [{"status": "writing manifest"}, {"status": "success"}]
    await caller.generate("mine")
    assert (await caller.ps())[0]["context_length"] == 1024


async def test_a_source_that_is_not_installed_is_pulled_first():
    async with serving(quick(models=())) as caller:
        steps = await create(caller, model="mine", **{"from": "all-minilm"})
        assert steps[0] == {"status": "pulling manifest"}
        assert steps[-1] == {"status": "success"}
        _, body = await caller.call("GET", "/api/tags")
        assert {model["name"] for model in body["models"]} == {"mine:latest", "all-minilm:latest"}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"model": ""}, "invalid model name"),
        ({"model": "x"}, "neither 'from' or 'files' was specified"),
        ({"model": "x", "files": {"/etc/x.gguf": "sha256:" + "0" * 64}}, "file path must be relative"),
        ({"model": "x", "files": {"x.gguf": "0000"}}, "invalid digest format"),
        ({"model": "x", "from": "y", "adapters": {"a": "1", "b": "2"}}, "only one adapter is currently supported"),
    ],
)
async def test_refusals_before_anything_is_done(caller, body, error):
    assert await caller.post("/api/create", **body) == (400, {"error": error})


async def test_what_is_missing_is_told_as_the_first_event_of_a_stream(caller):
    async with caller.session.post(f"{caller.node.url}/api/create", json={"model": "x"}) as response:
        assert (response.status, response.headers["Content-Type"]) == (400, "application/json")


async def test_a_file_must_be_gguf(caller):
    data = b"something else"
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    async with caller.session.post(f"{caller.node.url}/api/blobs/{digest}", data=data) as response:
        assert response.status == 201
    status, body = await caller.post("/api/create", model="x", files={"x.gguf": digest})
    assert (status, body["error"]) == (400, "supplied file was not in GGUF format")
