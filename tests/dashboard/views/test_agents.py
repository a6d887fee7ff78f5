"""Agents: who may change them, what the form keeps, what goes with them."""

import pytest

from orchestration.models import Agent, AuditEntry, Task

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]

FORM = {"name": "poet", "kind": "chat", "max_concurrent_tasks": 2, "models": "llama3.2\ncodellama"}


@pytest.fixture
def as_user(client):
    def login(user):
        client.force_login(user)
        return client

    return login


@pytest.mark.parametrize("name", ["alice", "bob", "carol", "dave"])
def test_everybody_sees_list_and_form(name, request, as_user, agent, node):
    browser = as_user(request.getfixturevalue(name))
    assert "writer" in browser.get("/agents").text
    assert browser.get(f"/agents/{agent.pk}").status_code == 200
    assert browser.get("/agents/new").status_code == 200


def test_models_that_no_node_has_are_pointed_out(as_user, bob, make_agent, node):
    agent = make_agent("dreamer", models=["gpt-9"])
    assert "No node has gpt-9." in as_user(bob).get("/agents").text
    assert "No node has gpt-9." in as_user(bob).get(f"/agents/{agent.pk}").text


def test_an_operator_makes_one_and_owns_it(as_user, bob):
    options = {"temperature": "0.4", "prefer_embed": "nomic-embed-text", "timeout_seconds": "60"}
    assert as_user(bob).post("/agents/new", {**FORM, **options})["Location"] == "/agents"
    made = Agent.objects.get(name="poet")
    assert (made.owner, made.models, made.options) == (bob, ["llama3.2", "codellama"], {"temperature": 0.4})
    assert made.routing_preferences == {"embed": "nomic-embed-text"}
    assert AuditEntry.objects.get(action="agent.created").via == "web"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": ""}, "This field is required."),
        ({"name": "42"}, "digits alone"),
        ({"name": "writer"}, "already exists"),
        ({"max_concurrent_tasks": "0"}, "greater than or equal to 1"),
        ({"temperature": "99"}, "less than or equal to 10"),
    ],
)
def test_what_is_wrong_is_said_and_kept(as_user, bob, agent, fields, words):
    answer = as_user(bob).post("/agents/new", {**FORM, "description": "KEEP ME", **fields})
    assert answer.status_code == 422
    assert words in answer.text
    assert "KEEP ME" in answer.text


def test_what_the_form_does_not_show_is_kept(as_user, bob, agent):
    agent.options = {"top_k": 7, "temperature": 1.0}
    agent.routing_preferences = {"code": "codellama"}
    agent.save()
    as_user(bob).post(f"/agents/{agent.pk}", {**FORM, "name": "writer", "temperature": "0.1"})
    agent.refresh_from_db()
    assert agent.options == {"top_k": 7, "temperature": 0.1}
    assert agent.routing_preferences == {"code": "codellama"}


def test_how_failed_tries_are_made_again_is_kept_and_shown(as_user, bob, agent):
    retries = {"max_tries": "5", "retry_delay_seconds": "0.5", "retry_growth": "3", "retry_on": ["timeout", "refused"]}
    as_user(bob).post(f"/agents/{agent.pk}", {**FORM, "name": "writer", **retries})
    agent.refresh_from_db()
    kept = (agent.max_tries, agent.retry_delay_seconds, agent.retry_growth, agent.retry_on)
    assert kept == (5, 0.5, 3, ["timeout", "refused"])
    text = as_user(bob).get(f"/agents/{agent.pk}").text
    for box in ('value="refused" id="id_retry_on_1" checked', 'value="timeout" id="id_retry_on_6" checked'):
        assert box in text
    assert "its time-out" in text


@pytest.mark.parametrize("name", ["carol", "dave"])
def test_others_may_not_change_it(name, request, as_user, agent):
    browser = as_user(request.getfixturevalue(name))
    browser.post(f"/agents/{agent.pk}", {**FORM, "name": "stolen"})
    browser.post(f"/agents/{agent.pk}/delete")
    assert Agent.objects.get().name == "writer"


def test_deleting_asks_about_unfinished_tasks(as_user, bob, agent, submitted_task):
    assert "1 of its tasks is unfinished" in as_user(bob).get(f"/agents/{agent.pk}").text
    refused = as_user(bob).post(f"/agents/{agent.pk}/delete", follow=True)
    assert "has 1 unfinished tasks" in refused.text
    as_user(bob).post(f"/agents/{agent.pk}/delete", {"cancel_tasks": "on"})
    assert not Agent.objects.exists()
    assert Task.objects.get().status == "cancelled"


def test_the_default_agent_offers_no_delete(as_user, alice, make_agent):
    default = make_agent("default")
    assert "Delete agent" not in as_user(alice).get(f"/agents/{default.pk}").text


def test_an_agent_that_is_not_there_is_not_found(as_user, bob):
    assert as_user(bob).get("/agents/4711").status_code == 404
    assert as_user(bob).get("/agents/4711/delete").status_code == 405


def test_the_list_costs_the_same_however_long(as_user, bob, make_agent, django_assert_num_queries):
    for number in range(12):
        make_agent(f"agent {number}", owner=bob)
    browser = as_user(bob)
    session_and_user, frame, agents_models_and_pauses = 2, 3, 3
    with django_assert_num_queries(session_and_user + frame + agents_models_and_pauses):
        browser.get("/agents")
