"""Agents in the admin: made and changed through the service, deleted only with what they have left to do."""

from collections.abc import Callable
from typing import Any

from orchestration.models import Agent, AuditEntry, Task, User
from orchestration.services import agents
from tests.admin.conftest import Person

FORM = {
    "kind": "coding",
    "models": "llama3.2:latest",
    "default_model": "",
    "routing_preferences": '{"code": "llama3.2:latest"}',
    "options": '{"temperature": 0.2}',
    "max_concurrent_tasks": "5",
}


def test_an_agent_is_added_for_whoever_adds_it(enter: Callable[[User], Person], bob: User) -> None:
    enter(bob).send("agent_add", name="coder", **FORM)
    agent = Agent.objects.get(name="coder")
    assert (agent.owner, agent.models, agent.options) == (bob, ["llama3.2:latest"], {"temperature": 0.2})
    assert AuditEntry.objects.get(action="agent.created").actor == bob


def test_what_the_service_refuses_is_said_at_its_field(admin: Person) -> None:
    page = admin.send("agent_add", name="42", **FORM)
    assert "digits alone" in page
    assert 'value="42"' in page
    assert not Agent.objects.exists()


def test_the_default_agent_keeps_its_name(admin: Person) -> None:
    default = agents.ensure_default()
    page = admin.send("agent_change", default.pk, name="other", **FORM)
    assert "keeps its name" in page
    assert Agent.objects.get().name == "default"


def test_a_changed_agent_is_audited_with_before_and_after(admin: Person, agent: Agent) -> None:
    admin.send("agent_change", agent.pk, name="scribe", **FORM)
    changes = AuditEntry.objects.get(action="agent.changed").detail["changes"]
    assert changes["name"] == ["writer", "scribe"]


def test_somebody_elses_agent_can_be_read_only(enter: Callable[[User], Person], dave: User, agent: Agent) -> None:
    stranger = enter(dave)
    assert 'name="_save"' not in stranger.page("agent_change", agent.pk)
    assert stranger.status("agent_delete", agent.pk) == 403


def test_an_agent_with_unfinished_tasks_stays_unless_they_are_cancelled_with_it(
    admin: Person, agent: Agent, submit: Callable[..., Any]
) -> None:
    submit("one", "two")
    page = admin.page("agent_delete", agent.pk)
    assert "2 of its tasks have not ended" in page
    assert 'name="cancel_tasks"' in page

    assert "2 unfinished tasks" in admin.send("agent_delete", agent.pk, post="yes")
    assert Agent.objects.filter(pk=agent.pk).exists()
    assert set(Task.objects.values_list("status", flat=True)) == {"pending"}

    admin.send("agent_delete", agent.pk, post="yes", cancel_tasks="on")
    assert not Agent.objects.filter(pk=agent.pk).exists()
    assert set(Task.objects.values_list("status", "agent_name")) == {("cancelled", "writer")}


def test_the_list_deletes_all_chosen_agents_or_none(
    admin: Person, agent: Agent, make_agent: Callable[..., Agent], submit: Callable[..., Any]
) -> None:
    idle = make_agent("idle")
    submit("one")
    assert "unfinished tasks" in admin.act("agent", "delete_selected", agent, idle, post="yes")
    assert Agent.objects.count() == 2
    admin.act("agent", "delete_selected", idle, post="yes")
    assert list(Agent.objects.values_list("name", flat=True)) == ["writer"]


def test_the_task_form_finds_agents_as_one_types(admin: Person, agent: Agent) -> None:
    response = admin.client.get(
        "/admin/autocomplete/",
        {"term": "wri", "app_label": "orchestration", "model_name": "task", "field_name": "agent"},
    )
    assert [row["text"] for row in response.json()["results"]] == ["writer"]


def test_an_empty_prompt_says_nothing_unless_none_at_all_was_wanted(admin: Person, agent: Agent) -> None:
    admin.send("agent_change", agent.pk, name="writer", system_prompt="", **FORM)
    agent.refresh_from_db()
    assert agent.system_prompt is None
    Agent.objects.update(system_prompt="")
    admin.send("agent_change", agent.pk, name="writer", system_prompt="", **FORM)
    agent.refresh_from_db()
    assert agent.system_prompt == ""


def test_lists_are_typed_as_words_and_a_schema_as_json(admin: Person, agent: Agent) -> None:
    fields = {"fallbacks": "mistral:7b, qwen3:8b", "prefer_labels": "fast", "answer_schema": '{"type": "object"}'}
    admin.send("agent_change", agent.pk, name="writer", **FORM, **fields)
    agent.refresh_from_db()
    assert (agent.fallbacks, agent.prefer_labels) == (["mistral:7b", "qwen3:8b"], ["fast"])
    assert agent.answer_schema == {"type": "object"}
