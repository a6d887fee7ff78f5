"""Listing, showing, copying, deleting, blobs: shapes and refusals."""

import hashlib
from datetime import datetime

import pytest


async def test_tags_grew_with_a_later_version(caller):
    _, new = await caller.call("GET", "/api/tags")
    caller.node.configure(version="0.24.0")
    _, old = await caller.call("GET", "/api/tags")
    assert new["models"][0]["details"]["context_length"] == 131_072
    assert new["models"][0]["capabilities"] == ["completion", "tools"]
    assert "capabilities" not in old["models"][0]
    assert "context_length" not in old["models"][0]["details"]


async def test_tags_are_newest_first_with_local_times(caller):
    await caller.post("/api/copy", source="llama2", destination="newest")
    _, body = await caller.call("GET", "/api/tags")
    assert body["models"][0]["name"] == "newest:latest"
    times = [datetime.fromisoformat(model["modified_at"][:26] + "+00:00") for model in body["models"]]
    assert times == sorted(times, reverse=True)


async def test_show_normalises_the_name_in_its_refusals(caller):
    assert await caller.post("/api/show", model="") == (400, {"error": "model is required"})
    assert await caller.post("/api/show", name="Absent") == (404, {"error": "model 'Absent:latest' not found"})


async def test_show_fills_long_tables_only_when_asked(caller):
    _, short = await caller.post("/api/show", model="llama3.2")
    _, long = await caller.post("/api/show", name="llama3.2", verbose=True)
    assert short["model_info"]["tokenizer.ggml.tokens"] is None
    assert long["model_info"]["tokenizer.ggml.tokens"] == []
    assert short["model_info"]["general.parameter_count"] == 3_200_000_000


async def test_copy_refusals(caller):
    assert await caller.post("/api/copy", source="a/b/c/d", destination="x") == (
        400,
        {"error": 'source "a/b/c/d" is invalid'},
    )
    assert await caller.post("/api/copy", source="llama3.2", destination="") == (
        400,
        {"error": 'destination "" is invalid'},
    )


async def test_delete_falls_back_to_the_old_field_and_leaves_a_loaded_model_running(caller):
    await caller.generate()
    async with caller.session.delete(
        caller.node.url + "/api/delete", json={"model": "", "name": "llama3.2"}
    ) as response:
        assert (response.status, await response.read(), response.headers["Content-Length"]) == (200, b"", "0")
    assert [model["name"] for model in await caller.ps()] == ["llama3.2:latest"]
    assert (await caller.generate())[0] == 404


async def test_blobs_are_created_once_and_checked(caller):
    data = b"GGUF and more"
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    url = caller.node.url + "/api/blobs/"
    statuses = []
    for method, path in (("HEAD", digest), ("POST", digest), ("POST", digest), ("HEAD", digest), ("HEAD", "sha256:12")):
        async with caller.session.request(method, url + path, data=data if method == "POST" else None) as response:
            statuses.append(response.status)
    assert statuses == [404, 201, 200, 200, 400]
    async with caller.session.post(f"{url}sha256:{'0' * 64}", data=data) as response:
        assert response.status == 400
        assert (await response.json())["error"] == f'digest mismatch, expected "sha256:{"0" * 64}", got "{digest}"'


async def test_push_reports_layers(caller):
    lines = await caller.lines("/api/push", model="llama3.2")
    assert b"retrieving manifest" in lines[0]
    assert lines[-1] == b'{"status":"success"}\n'


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/api/me", 401),
        ("POST", "/api/experimental/web_search", 403),
        ("GET", "/api/experimental/model-recommendations", 200),
        ("GET", "/api/status", 200),
        ("POST", "/api/signout", 404),
        ("POST", "/v1/systemone", 404),
    ],
)
async def test_what_needs_the_cloud_is_refused(caller, method, path, status):
    assert (await caller.call(method, path, {}))[0] == status
