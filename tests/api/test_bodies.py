"""Bodies that are not what they should be, before anybody looks at what they mean."""

import json
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.core.asgi import get_asgi_application

from orchestration.api.bodies import unknown
from orchestration.models import Agent, Run

from .conftest import ROOT, ApiClient, refusal


def test_broken_json_is_told_with_its_position(bob_api: ApiClient) -> None:
    error = refusal(bob_api.post("tasks", b'{"tasks": [\n  {"type": }]}'), 400, "invalid_input")
    assert "line 2, column 12" in error["message"]
    assert (error["detail"]["line"], error["detail"]["column"]) == (2, 12)


def test_broken_json_is_told_by_every_route(bob_api: ApiClient) -> None:
    assert "line 1, column 2" in refusal(bob_api.post("agents", b"{"), 400, "invalid_input")["message"]


@pytest.mark.parametrize("route", ["tasks", "agents", "nodes"])
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", ""),
        (b"[]", "the body: must be an object"),
        (b"7", "the body: must be an object"),
        (b"null", "the body: must be an object"),
        (b"\xff\xfe", "UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"name": ' + b"[" * 101 + b"]" * 101 + b"}", "nested too deeply"),
        (b'{"name": NaN}', "NaN"),
        (b'{"name": Infinity}', "Infinity"),
        (b'{"name": -1e999}', "-1e999 is too large"),
        (b'{"name": ' + b"9" * 5000 + b"}", "not valid JSON"),
        (b'{"name": "a\\u0000b"}', "NUL"),
        (b'{"a\\u0000": 1}', "NUL"),
        (b'{"name": "\\ud83d"}', "surrogate"),
    ],
)
def test_a_body_that_cannot_be_used_is_refused_in_words(
    alice_api: ApiClient, route: str, body: bytes, words: str
) -> None:
    assert words in refusal(alice_api.post(route, body), 400, "invalid_input")["message"]
    assert not Run.objects.exists()
    assert not Agent.objects.exists()


@pytest.mark.parametrize(
    "odd",
    [{"agent_id": "{}"}, {"{}": 1}, {"tasks": [{"type": "{}", "input": "x"}]}, {"parameters": {"{}": 1}}],
)
def test_a_name_of_megabytes_is_not_pondered_nor_sent_back(bob_api: ApiClient, agent: Agent, odd: Any) -> None:
    body = {"agent_id": "writer", "tasks": [{"type": "generate", "input": "x"}], **odd}
    answer = bob_api.post("tasks", json.dumps(body).replace("{}", "ab" * 1_000_000).encode())
    assert 400 <= answer.status_code < 500
    assert len(answer.content) < 1000


def test_text_beyond_the_basic_plane_is_kept(bob_api: ApiClient) -> None:
    answer = bob_api.post("agents", b'{"name": "herd \\ud83d\\udc02", "description": "\xc3\xbc"}')
    assert answer.json()["name"] == "herd \N{OX}"


def test_a_body_larger_than_allowed_is_413(bob_api: ApiClient, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = settings.DROVER_MAX_BODY_BYTES = 2000
    body = {"tasks": [{"type": "generate", "input": "x" * 3000}]}
    error = refusal(bob_api.post("tasks", body), 413, "payload_too_large")
    assert error["detail"]["limit_bytes"] == 2000
    refusal(bob_api.post("agents", {"name": "x", "description": "x" * 3000}), 413, "payload_too_large")


async def ask_in_pieces(path: str, headers: dict[str, str], pieces: list[bytes]) -> tuple[int, dict[str, Any]]:
    """A request as a server hands over one whose length was not announced."""
    names = {"host": "testserver", "content-type": "application/json", "transfer-encoding": "chunked", **headers}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in names.items()],
    }
    communicator = ApplicationCommunicator(get_asgi_application(), scope)
    for number, piece in enumerate(pieces, start=1):
        await communicator.send_input({"type": "http.request", "body": piece, "more_body": number < len(pieces)})
    start = await communicator.receive_output(timeout=10)
    body = await communicator.receive_output(timeout=10)
    await communicator.wait()
    return start["status"], json.loads(body["body"])


@pytest.mark.django_db(transaction=True)
async def test_a_body_that_grows_too_large_on_the_way_is_413(bob_api: ApiClient, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 2000
    status, answer = await ask_in_pieces(f"{ROOT}agents", bob_api.headers, [b'{"name": "', b"x" * 3000, b'"}'])
    assert (status, answer["error"]["code"]) == (413, "payload_too_large")


@pytest.mark.django_db(transaction=True)
async def test_a_body_may_come_in_pieces(bob_api: ApiClient) -> None:
    status, answer = await ask_in_pieces(f"{ROOT}agents", bob_api.headers, [b'{"name": "wri', b'ter"}'])
    assert (status, answer["name"]) == (201, "writer")


def test_a_field_that_resembles_none_is_answered_with_those_there_are() -> None:
    assert unknown("zzz", ["name", "models"]) == "has no field zzz; it takes name, models"
