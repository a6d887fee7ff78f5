"""The client over a real socket: lists across pages, streams, and every way in which there is no answer."""

import asyncio
import socket

import pytest

from orchestration.cli.client import Client, part
from orchestration.cli.configuration import Settings
from orchestration.cli.failures import Misused, NoAccess, Refused, Unreachable

from .conftest import KEY, FakeDrover


@pytest.fixture
def client(server: FakeDrover):
    client = Client(Settings(server.url, KEY))
    yield client
    client.close()


def _refused(client, kind, path="agents"):
    with pytest.raises(kind) as caught:
        client.get(path)
    return caught.value


def test_the_key_goes_along_and_empty_parameters_do_not(client, server):
    server.on("GET", "agents", {"agents": []})
    assert client.get("agents", limit=5, status=None, text="", tag=[]) == {"agents": []}
    (call,) = server.calls
    assert call.headers["Authorization"] == f"Bearer {KEY}"
    assert call.query == {"limit": "5"}


def test_names_are_one_step_of_an_address(client, server):
    assert part("a/b ?") == "a%2Fb%20%3F"
    assert part("llama3.2:3b") == "llama3.2:3b"


def test_lists_are_read_across_pages_as_far_as_asked(client, server):
    server.on("GET", "tasks", {"tasks": [1, 2], "next_cursor": "c2"}, {"tasks": [3], "next_cursor": "c3"})
    assert client.rows("tasks", "tasks", limit=3, status="failed") == {"tasks": [1, 2, 3], "next_cursor": "c3"}
    assert server.queries("tasks") == [
        {"limit": "3", "status": "failed"},
        {"limit": "1", "cursor": "c2", "status": "failed"},
    ]


def test_a_refusal_has_the_words_of_the_server(client, server):
    server.refuse("GET", "agents", 409, "conflict", "It has unfinished tasks.", tasks=3)
    refusal = _refused(client, Refused)
    assert (refusal.message, refusal.code, refusal.detail) == ("It has unfinished tasks.", "conflict", {"tasks": 3})


def test_a_wrong_key_is_told_how_to_make_one(server):
    client = Client(Settings(server.url, "wrong"))
    failure = _refused(client, NoAccess)
    client.close()
    assert "create_api_key" in failure.hint
    assert "drover login" in failure.hint


def test_a_key_that_was_kept_back_is_mentioned(server):
    client = Client(Settings(server.url, key_kept_back=True))
    assert "for another address" in _refused(client, NoAccess).hint
    client.close()


def test_a_role_that_does_not_reach_is_no_access(client, server):
    server.refuse("GET", "agents", 403, "not_allowed", "A viewer may not.")
    assert _refused(client, NoAccess).message == "A viewer may not."


def test_nobody_there_names_the_address_and_how_to_start():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refuses
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        client = Client(Settings(url, KEY))
        failure = _refused(client, Unreachable)
        client.close()
    assert failure.message.startswith(f"Nothing answers at {url}: ")
    assert "make run" in failure.hint


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        ((200, b"<html>"), NoAccess, "answered 200, but not as Drover does"),
        ((404, b"nginx"), NoAccess, "answered 404, but not as Drover does"),
        ((404, {"detail": "Not Found"}), NoAccess, "not as Drover does"),
        ((502, b"bad gateway"), Unreachable, "answered 502"),
    ],
)
def test_something_else_at_that_address_is_told_apart(client, server, answer, kind, words):
    server.on("GET", "agents", answer)
    assert words in _refused(client, kind).message


def test_a_call_that_an_older_drover_does_not_know(client, server):
    assert "older than this command" in _refused(client, Refused, "gone").hint


def test_the_time_to_wait_is_passed_on(client, server):
    error = {"error": {"code": "too_many_waiting", "message": "Too many.", "detail": {}}}
    server.on("GET", "agents", (429, error, {"Retry-After": "7"}))
    assert _refused(client, Refused).hint == "Try again in 7 s."


def test_where_a_redirect_leads_is_told_and_not_followed(client, server):
    server.on("GET", "agents", (301, None, {"Location": "https://drover.example/api/"}))
    assert "sends everybody on to https://drover.example/api/" in _refused(client, NoAccess).message


def test_an_address_that_cannot_be_is_a_misuse():
    client = Client(Settings("http://a..b", KEY))
    with pytest.raises((Misused, Unreachable)):
        client.get("agents")
    client.close()


def test_health_is_read_whatever_its_status(client, server):
    health = {"status": "degraded", "checks": {"redis": {"ok": False, "message": "does not answer"}}}
    server.on("GET", "/healthz", (503, health))
    assert client.health() == health
    server.on("GET", "/healthz", {"status": "up"})
    with pytest.raises(NoAccess):
        client.health()


def test_downloads_come_in_pieces_and_are_refused_in_words(client, server):
    server.on("GET", "runs/12/export", b"a,b\n1,2\n")
    with client.download("runs/12/export", format="csv") as pieces:
        assert b"".join(pieces) == b"a,b\n1,2\n"
    server.refuse("GET", "runs/13/export", 404, "not_found", "There is no run 13.")
    with pytest.raises(Refused, match="no run 13"), client.download("runs/13/export"):
        pass


def _streamed(client, path):
    async def read():
        async with client.asynchronous() as connection:
            return [line async for line in client.lines(connection, path)]

    return asyncio.run(read())


def test_a_stream_is_read_line_by_line(client, server):
    lines = [{"type": "text", "offset": 0, "text": "a\u2028b"}, {"status": "completed"}]
    server.on("GET", "tasks/31/stream", lambda call: (200, iter(lines)))
    assert _streamed(client, "tasks/31/stream") == lines
    server.refuse("GET", "tasks/32/stream", 404, "not_found", "There is no task 32.")
    with pytest.raises(Refused, match="no task 32"):
        _streamed(client, "tasks/32/stream")
