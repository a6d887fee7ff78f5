"""What surrounds every request: unknown paths, wrong methods, bodies of any kind, origins and hosts."""

import pytest


async def raw(caller, method, path, **extra):
    async with caller.session.request(method, caller.node.url + path, allow_redirects=False, **extra) as response:
        return response.status, response.headers.get("Content-Type"), await response.text(), response.headers


async def test_the_root_says_that_it_runs(caller):
    assert (await raw(caller, "GET", "/"))[:3] == (200, "text/plain; charset=utf-8", "Ollama is running")
    assert (await raw(caller, "HEAD", "/"))[0] == 200


async def test_unknown_paths_and_wrong_methods_are_plain_text(caller):
    assert (await raw(caller, "GET", "/api/nothing"))[:3] == (404, "text/plain", "404 page not found")
    assert (await raw(caller, "GET", "/api/chat"))[:3] == (405, "text/plain", "405 method not allowed")
    assert (await raw(caller, "HEAD", "/api/ps"))[0] == 405


async def test_a_trailing_slash_is_redirected_where_that_helps(caller):
    status, _, _, headers = await raw(caller, "GET", "/api/tags/")
    assert (status, headers["Location"]) == (301, "/api/tags")
    assert (await raw(caller, "POST", "/api/chat/"))[0] == 307
    assert (await raw(caller, "GET", "/nothing/"))[0] == 404


async def test_ordinary_answers_are_json_with_a_charset(caller):
    _, kind, _, headers = await raw(caller, "GET", "/api/version")
    assert kind == "application/json; charset=utf-8"
    assert "Server" not in headers


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_bodies_are_json_whatever_their_type(caller, kind):
    body = b'{"MODEL": "llama3.2", "Prompt": "echo: hi", "stream": false, "options": null, "other": 1} trailing'
    status, _, text, _ = await raw(caller, "POST", "/api/generate", data=body, headers={"Content-Type": kind})
    assert status == 200
    assert '"response":"hi"' in text


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:3000", 200),
        ("app://obsidian.md", 200),
        ("chrome-extension://abc", 200),
        ("https://evil.example", 403),
    ],
)
async def test_only_local_origins_may_call(caller, origin, status):
    found, _, text, _ = await raw(caller, "GET", "/api/version", headers={"Origin": origin})
    assert found == status
    assert text == "" or status == 200


async def test_a_preflight_is_answered_without_a_body(caller):
    status, _, text, _ = await raw(caller, "OPTIONS", "/api/chat", headers={"Origin": "http://localhost"})
    assert (status, text) == (204, "")


@pytest.mark.parametrize(
    ("host", "status"), [("localhost", 200), ("10.1.2.3:80", 200), ("box.local", 200), ("example.com", 403)]
)
async def test_a_server_on_loopback_only_answers_to_local_names(caller, host, status):
    assert (await raw(caller, "GET", "/api/version", headers={"Host": host}))[0] == status
