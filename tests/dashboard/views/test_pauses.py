"""The pause and resume buttons: by whom, on which page, with what said."""

import pytest
from django.test import Client

from orchestration.models import AuditEntry, Pause, User
from orchestration.permissions import Role
from orchestration.services import pauses

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]

JSON = {"Accept": "application/json"}


@pytest.fixture
def erin(db):
    """A maintainer."""
    return User.objects.create_user("erin", role=Role.MAINTAINER)


@pytest.fixture
def as_user(client):
    def login(user):
        client.force_login(user)
        return client

    return login


def press(browser, kind, key, paused, **more):
    return browser.post("/pauses", {"kind": kind, "key": key, "paused": paused}, **more)


def test_a_button_pauses_and_leads_back_with_words(as_user, erin):
    browser = as_user(erin)
    answer = press(browser, "priority", "2", "1", headers={"Referer": "http://testserver/"})
    assert answer["Location"] == "http://testserver/"
    assert Pause.objects.get().paused_by == erin
    text = browser.get("/").text
    assert "Low priority paused by erin since" in text
    assert "What runs goes on." in text
    press(browser, "priority", "2", "0")
    assert not Pause.objects.exists()
    assert [entry.via for entry in AuditEntry.objects.filter(action__startswith="priority.")] == ["web", "web"]


def test_a_script_gets_the_same_as_json(as_user, erin):
    browser = as_user(erin)
    said = press(browser, "model", "llama3.2", "1", headers=JSON).json()["message"]
    assert said.startswith("llama3.2:latest paused by erin since")
    assert press(browser, "model", "llama3.2", "0", headers=JSON).json()["message"].startswith("Resumed")
    assert press(browser, "model", "llama3.2", "0", headers=JSON).json()["message"] == "It was not paused."


@pytest.mark.parametrize("name", ["bob", "carol", "dave"])
def test_who_may_not_is_told_why(name, request, as_user):
    answer = press(as_user(request.getfixturevalue(name)), "priority", "2", "1", headers=JSON)
    assert answer.status_code == 403
    assert "needs the role maintainer" in answer.json()["error"]["message"]
    assert not Pause.objects.exists()


@pytest.mark.parametrize(("name", "status"), [("alice", 200), ("bob", 200), ("carol", 403), ("dave", 403)])
def test_an_agent_is_its_owners_affair_and_maintainers(name, status, request, as_user, agent):
    browser = as_user(request.getfixturevalue(name))
    assert press(browser, "agent", agent.pk, "1", headers=JSON).status_code == status


@pytest.mark.parametrize(("kind", "key", "status"), [("queue", "2", 400), ("agent", "99", 404), ("", "", 400)])
def test_what_is_not_there_is_refused(kind, key, status, as_user, erin):
    assert press(as_user(erin), kind, key, "1", headers=JSON).status_code == status


def test_a_button_is_no_link(as_user, erin):
    assert as_user(erin).get("/pauses").status_code == 405


def test_a_forged_button_does_nothing(erin):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(erin)
    assert press(browser, "priority", "2", "1").status_code == 403


def _buttons(text, label):
    return [line for line in text.splitlines() if "<button" in line and f">{label}<" in line and " hidden" not in line]


@pytest.mark.parametrize(("name", "disabled"), [("alice", False), ("bob", True), ("carol", True)])
def test_the_overview_says_what_is_paused_and_how_to_go_on(
    name, disabled, request, as_user, as_alice, submitted_task, node
):
    pauses.pause(actor=as_alice, kind="priority", key="low", note="backup")
    pauses.pause(actor=as_alice, kind="model", key="llama3.2")
    text = as_user(request.getfixturevalue(name)).get("/").text
    assert "Low priority is paused" in text
    assert ": backup" in text
    assert "llama3.2:latest is paused" in text
    assert 'href="/tasks?status=waiting&amp;priority=2"' in text
    resume = _buttons(text, "Resume")
    assert len(resume) >= 3
    assert all((" disabled " in button) == disabled for button in resume)
    assert all("needs the role maintainer" in button for button in resume) == disabled


def test_a_paused_agent_says_so_in_the_list_and_on_its_page(as_user, bob, dave, agent, as_bob):
    pauses.pause(actor=as_bob, kind="agent", key=str(agent.pk))
    for path in ("/agents", f"/agents/{agent.pk}"):
        own, foreign = as_user(bob).get(path).text, as_user(dave).get(path).text
        assert "Agent writer paused by bob since" in own
        assert not any(" disabled " in button for button in _buttons(own, "Resume"))
        assert all("belongs to somebody else" in button for button in _buttons(foreign, "Resume"))
        assert _buttons(foreign, "Resume")


def test_a_paused_agent_needs_attention_of_its_owner_too(as_user, bob, dave, agent, as_bob):
    pauses.pause(actor=as_bob, kind="agent", key=str(agent.pk))
    assert "Agent writer is paused" in as_user(bob).get("/").text
    assert "belongs to somebody else" not in as_user(bob).get("/").text
    assert "belongs to somebody else" in as_user(dave).get("/").text


def test_a_paused_model_is_marked_on_its_nodes(as_user, erin, make_node, as_alice):
    make_node("gpu-a", models=("llama3.2:latest", "codellama:7b"))
    pauses.pause(actor=as_alice, kind="model", key="codellama:7b")
    text = as_user(erin).get("/nodes").text
    assert text.count("Starts nothing new until it is resumed") == 1
    assert text.count('name="key" value="codellama:7b"') == 1
