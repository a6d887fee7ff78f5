"""Credentials of a node in its form: entered, kept, removed, tried on its own server, never shown again."""

import pytest

from orchestration.models import Node
from orchestration.services import secrets
from tests.ollama.rawserver import RawServer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]

FORM = {
    "base_url": "http://127.0.0.1:11434",
    "name": "gpu-z",
    "slots_per_model": 2,
    "verify_tls": "on",
    "enabled": "on",
}
TICKS = {"Accept": "text/x-ticks"}
TOKEN = "tok-0011223344"


@pytest.fixture
def as_user(client):
    def login(user):
        client.force_login(user)
        return client

    return login


def opened(node):
    node.refresh_from_db()
    return secrets.opened(node.sealed_headers)


def test_a_token_and_headers_are_entered_kept_and_removed(as_user, alice):
    browser = as_user(alice)
    browser.post("/nodes/new", {**FORM, "token": TOKEN, "headers": "X-Team: blue\nX-Zone: eu"})
    node = Node.objects.get()
    assert opened(node) == {"authorization": f"Bearer {TOKEN}", "x-team": "blue", "x-zone": "eu"}
    edit = f"/nodes/{node.pk}/edit"
    assert TOKEN not in browser.get(edit).text
    browser.post(edit, FORM)
    assert len(opened(node)) == 3
    browser.post(edit, {**FORM, "headers": "X-Team:\n"})
    assert opened(node) == {"authorization": f"Bearer {TOKEN}", "x-team": "blue"}
    browser.post(edit, {**FORM, "drop_headers": "on", "user": "ana", "password": "p w"})
    assert opened(node) == {"authorization": "Basic YW5hOnAgdw=="}
    browser.post(edit, {**FORM, "drop_credentials": "on"})
    assert opened(node) == {}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"token": TOKEN, "user": "ana"}, "Either a token, or user and password."),
        ({"password": TOKEN}, "Whose password is it?"),
        ({"token": f"{TOKEN} {TOKEN}"}, "one word"),
        ({"headers": TOKEN}, "a name, a colon and a value"),
        ({"headers": f"Host: {TOKEN}"}, "set by Drover itself"),
        ({"headers": "X-Team:"}, "no stored value"),
        ({"name": "", "token": TOKEN, "headers": f"X-A: {TOKEN}"}, "This field is required."),
    ],
)
def test_a_form_that_is_refused_does_not_show_the_secret_again(as_user, alice, fields, words):
    answer = as_user(alice).post("/nodes/new", {**FORM, **fields})
    assert answer.status_code == 422
    assert words in answer.text
    assert TOKEN not in answer.text
    assert not Node.objects.exists()


@pytest.mark.django_db(transaction=True)
async def test_the_stored_token_is_tried_on_its_own_server_only(async_client, alice):
    async def play(peer):
        await peer.answer({"error": "who are you?"}, 401)

    await async_client.aforce_login(alice)
    async with RawServer(play) as own, RawServer(play) as other:
        node = await Node.objects.acreate(
            name="gpu-a",
            base_url=own.url,
            sealed_headers=secrets.seal({"authorization": f"Bearer {TOKEN}"}),
            header_names=["authorization"],
        )
        for url in (own.url, other.url):
            sent = {"base_url": url, "verify_tls": "on"}
            answer = await async_client.post(f"/nodes/probe?node={node.pk}", sent, headers=TICKS)
            text = b"".join([line async for line in answer.streaming_content]).decode()
            assert "enter its token" in text
        assert own.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
        assert "authorization" not in other.requests[0].headers
