"""The way in and out."""

import pytest
from django.test import Client

from orchestration.models import AuditEntry
from orchestration.services.users import make_login_link

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]


def test_opening_the_link_uses_nothing_up(client, alice):
    token = make_login_link(alice)
    for _ in range(2):
        answer = client.get(f"/start/{token}")
        assert answer.status_code == 200
        assert "_auth_user_id" not in client.session
    assert client.post(f"/start/{token}")["Location"] == "/"
    assert client.session["_auth_user_id"] == str(alice.pk)
    assert AuditEntry.objects.get(action="user.logged_in").actor_name == "alice"


def test_the_link_works_once(client, alice):
    token = make_login_link(alice)
    Client().post(f"/start/{token}")
    again = client.post(f"/start/{token}")
    assert again.status_code == 410
    assert "used up or too old" in again.text
    assert "_auth_user_id" not in client.session


def test_a_guessed_link_is_told_the_same(client, db):
    assert client.post("/start/nonsense").status_code == 410


def test_the_token_leaves_no_trace(client, alice):
    token = make_login_link(alice)
    answer = client.get(f"/start/{token}")
    assert answer["Referrer-Policy"] == "strict-origin"
    assert "no-store" in answer["Cache-Control"]
    assert token not in answer.text


def test_a_browser_that_sends_its_origin_gets_in(alice):
    browser = Client(enforce_csrf_checks=True)
    url = f"/start/{make_login_link(alice)}"
    token = browser.get(url).context["csrf_token"]
    sent = {"csrfmiddlewaretoken": str(token)}
    assert browser.post(url, sent, headers={"Origin": "http://testserver"}).status_code == 302


def test_a_password_lets_in_and_leads_back(client, bob):
    answer = client.post("/login", {"username": "bob", "password": "bob-secret", "next": "/tasks"})
    assert answer["Location"] == "/tasks"


def test_a_wrong_password_is_said_and_the_name_kept(client, bob):
    answer = client.post("/login", {"username": "bob", "password": "guess"})
    assert "Please enter a correct username and password" in answer.text
    assert 'value="bob"' in answer.text


def test_a_login_never_leads_to_another_site(client, bob):
    sent = {"username": "bob", "password": "bob-secret", "next": "https://evil.example/"}
    assert client.post("/login", sent)["Location"] == "/"


def test_logging_out_is_a_post(client, bob):
    client.force_login(bob)
    assert client.get("/logout").status_code == 405
    assert client.post("/logout")["Location"] == "/login"
    assert client.get("/tasks").status_code == 302


@pytest.mark.parametrize("url", ["/", "/tasks", "/tasks/1", "/new", "/agents", "/agents/new", "/nodes", "/nodes/new"])
def test_every_page_wants_a_login(client, db, url):
    assert client.get(url)["Location"] == f"/login?next={url}"


def test_no_page_allows_a_script_or_style_of_its_own(client, alice, node, submitted_task):
    client.force_login(alice)
    for url in ("/", "/tasks", f"/tasks/{submitted_task.pk}", "/new", "/agents", "/nodes"):
        answer = client.get(url)
        assert "script-src 'self'" in answer["Content-Security-Policy"]
        assert " style=" not in answer.text
        assert " onclick=" not in answer.text
        assert "<style" not in answer.text
        assert "<script>" not in answer.text


def test_an_address_that_does_not_exist_has_a_page(client, db):
    answer = client.get("/nowhere")
    assert answer.status_code == 404
    assert "Nothing is here" in answer.text
