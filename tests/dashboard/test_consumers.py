"""The websocket's door, through the whole ASGI application."""

import pytest
from channels.testing import WebsocketCommunicator
from django.contrib.sessions.models import Session
from django.db import OperationalError
from django.test import Client

from dashboard import consumers
from dashboard.asgi import application
from dashboard.live.reads import read
from orchestration import events

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def cookie_of():
    """Logs a person in and gives the cookie."""

    def log_in(user):
        client = Client()
        client.force_login(user)
        return f"drover_session={client.cookies['drover_session'].value}"

    return log_in


@pytest.fixture
async def connect(redis_server):
    """Connects with a cookie and answers the communicator; all are disconnected at the end."""
    opened = []

    async def open_socket(cookie="", *, path="/ws/", origin="http://testserver"):
        headers = [(b"host", b"testserver"), (b"origin", origin.encode()), (b"cookie", cookie.encode())]
        socket = WebsocketCommunicator(application, path, headers)
        accepted, _ = await socket.connect(timeout=10)
        if accepted:
            opened.append(socket)
        return socket if accepted else None

    yield open_socket
    for socket in opened:
        await socket.disconnect()


async def frame_of(socket, kind):
    """The next frame of that type."""
    while True:
        frame = await socket.receive_json_from(timeout=10)
        if frame["type"] == kind:
            return frame


async def close_code(socket):
    while True:
        message = await socket.receive_output(timeout=10)
        if message["type"] == "websocket.close":
            return message["code"]


async def test_a_socket_greets_its_user(connect, cookie_of, carol):
    socket = await connect(await read(cookie_of, carol))
    hello = await frame_of(socket, "hello")
    assert hello["user"] == {"id": carol.pk, "name": "carol", "role": "viewer"}
    assert hello["build"]
    assert hello["server_time"].endswith("Z")


async def test_a_stranger_without_a_session_is_sent_to_log_in(connect):
    assert await close_code(await connect()) == consumers.LOGGED_OUT


async def test_an_inactive_user_is_sent_to_log_in(connect, cookie_of, carol):
    cookie = await read(cookie_of, carol)
    carol.is_active = False
    await read(carol.save)
    assert await close_code(await connect(cookie)) == consumers.LOGGED_OUT


async def test_a_page_of_somebody_elses_site_is_refused(connect, cookie_of, carol):
    assert await connect(await read(cookie_of, carol), origin="http://evil.example") is None


async def test_there_is_one_path_only(connect, cookie_of, carol):
    assert await connect(await read(cookie_of, carol), path="/ws/other") is None


@pytest.fixture(params=["alice", "bob", "carol", "dave"])
def anybody(request):
    return request.getfixturevalue(request.param)


async def test_every_role_sees_the_list_and_its_changes(connect, cookie_of, anybody, submitted_task):
    socket = await connect(await read(cookie_of, anybody))
    await socket.send_json_to({"type": "sub", "topic": "tasks", "since": None})
    snap = await frame_of(socket, "snap")
    assert [row["id"] for row in snap["data"]["rows"]] == [submitted_task.pk]
    await read(events.publish, [("task", {**snap["data"]["rows"][0], "version": 99})])
    delta = await frame_of(socket, "delta")
    assert (delta["topic"], delta["prev"]) == ("tasks", snap["seq"])
    assert delta["rows"][0]["version"] == 99


async def test_the_socket_changes_nothing(connect, cookie_of, alice, submitted_task):
    socket = await connect(await read(cookie_of, alice))
    for action in ("cancel", "retry", "delete"):
        await socket.send_json_to({"type": action, "topic": f"task:{submitted_task.pk}"})
        assert (await frame_of(socket, "error"))["code"] == "invalid_input"


async def test_bytes_and_nonsense_are_answered_with_an_error(connect, cookie_of, carol):
    socket = await connect(await read(cookie_of, carol))
    await socket.send_to(bytes_data=b"\x00\xff")
    assert (await frame_of(socket, "error"))["code"] == "invalid_input"
    await socket.send_to(text_data="{" * 100)
    assert (await frame_of(socket, "error"))["code"] == "invalid_input"


@pytest.mark.parametrize("how", ["logged out", "deactivated", "new password"])
async def test_a_session_that_ends_closes_its_sockets(monkeypatch, connect, cookie_of, carol, how):
    monkeypatch.setattr(consumers, "CHECK_LOGIN_SECONDS", 0.05)
    socket = await connect(await read(cookie_of, carol))
    await frame_of(socket, "hello")

    def end() -> None:
        if how == "logged out":
            Session.objects.all().delete()
        elif how == "deactivated":
            carol.is_active = False
            carol.save()
        else:
            carol.set_password("another")
            carol.save()

    await read(end)
    assert await close_code(socket) == consumers.LOGGED_OUT


async def test_a_database_that_is_away_for_a_moment_ends_no_watch(monkeypatch, connect, cookie_of, carol):
    monkeypatch.setattr(consumers, "CHECK_LOGIN_SECONDS", 0.05)
    answers = [OperationalError("away"), OperationalError("away"), None]

    def look(_):
        answer = answers.pop(0)
        if answer:
            raise answer

    monkeypatch.setattr(consumers, "_user_of", look)
    assert await close_code(await connect(await read(cookie_of, carol))) == consumers.LOGGED_OUT
    assert answers == []
