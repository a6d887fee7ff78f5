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
    agent.routing_preferences = {"poetry": "codellama", "coding": "llama3.2"}
    agent.save()
    as_user(bob).post(f"/agents/{agent.pk}", {**FORM, "name": "writer", "temperature": "0.1", "top_k": "7"})
    agent.refresh_from_db()
    assert agent.options == {"top_k": 7, "temperature": 0.1}
    assert agent.routing_preferences == {"poetry": "codellama"}


def test_the_form_shows_what_a_kind_says_and_keeps_that_nothing_is_to_be_said(as_user, bob):
    coding = {**FORM, "kind": "coding"}
    as_user(bob).post("/agents/new", coding)
    made = Agent.objects.get(name="poet")
    assert (made.system_prompt, made.prompt_in_force[:30]) == (None, "You are an experienced softwar")
    text = as_user(bob).get(f"/agents/{made.pk}").text
    assert '<div class="manner" data-manner="coding"><p' in text
    assert '<div class="manner" data-manner="research" hidden>' in text
    as_user(bob).post(f"/agents/{made.pk}", {**coding, "no_prompt": "on"})
    made.refresh_from_db()
    assert (made.system_prompt, made.prompt_in_force) == ("", "")
    assert 'id="id_no_prompt" checked' in as_user(bob).get(f"/agents/{made.pk}").text


def test_every_field_of_an_agent_goes_through_the_form(as_user, bob):
    fields = {
        **{"think": "high", "fallbacks": "mistral:7b\nqwen3:8b", "prefer_labels": "fast, eu", "memory_enabled": "on"},
        **{"answer_schema": '{"type": "object"}', "prefer_long_context": "qwen3:8b", "prefer_code": "codellama"},
    }
    as_user(bob).post("/agents/new", {**FORM, **fields})
    made = Agent.objects.get(name="poet")
    assert (made.think, made.fallbacks, made.prefer_labels) == ("high", ["mistral:7b", "qwen3:8b"], ["fast", "eu"])
    assert (made.memory_enabled, made.answer_schema) == (True, {"type": "object"})
    assert made.routing_preferences == {"long_context": "qwen3:8b", "code": "codellama"}
    text = as_user(bob).get(f"/agents/{made.pk}").text
    for shown in ('<option value="high" selected>', "mistral:7b\nqwen3:8b", 'value="fast, eu"', "&quot;type&quot;"):
        assert shown in text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"answer_schema": "{"}, "This is not JSON"),
        ({"answer_schema": '{"type": "nonsense"}'}, "The JSON schema"),
        ({"router": "nowhere"}, "is not one of the available choices"),
    ],
)
def test_what_cannot_be_is_said_beside_its_field(as_user, bob, fields, words):
    answer = as_user(bob).post("/agents/new", {**FORM, **fields})
    assert answer.status_code == 422
    assert words in answer.text


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
