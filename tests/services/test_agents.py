"""Agents: created, changed, deleted; their tasks keep what they were submitted with."""

from collections.abc import Callable
from typing import Any

import pytest

from orchestration.errors import Conflict, InvalidInput, NotAllowed, NotFound
from orchestration.models import Agent, AuditEntry, Run, Task, User
from orchestration.permissions import Actor
from orchestration.services import agents
from tests.services.conftest import Give


def test_an_agent_belongs_to_who_made_it(as_bob: Actor, bob: User) -> None:
    agent = agents.create(actor=as_bob, name=" coder ", models=["llama3.2"], options={"temperature": 1})
    assert (agent.name, agent.owner, agent.options) == ("coder", bob, {"temperature": 1.0})
    assert agent.max_concurrent_tasks == 3
    assert AuditEntry.objects.get(action="agent.created").object_id == agent.pk


@pytest.mark.parametrize(
    "fields",
    [
        {"name": " "},
        {"name": "42"},
        {"name": "x" * 81},
        {"kind": "wizard"},
        {"models": "llama3.2"},
        {"models": [""]},
        {"models": [7]},
        {"routing_preferences": ["code"]},
        {"routing_preferences": {"code": 7}},
        {"options": []},
        {"options": {"temprature": 1}},
        {"options": {"num_gpu": 1}},
        {"max_concurrent_tasks": 0},
        {"timeout_seconds": 0},
        {"max_tries": 0},
        {"colour": "blue"},
    ],
)
def test_bad_fields_are_refused_and_leave_no_row(fields: dict[str, Any], as_bob: Actor) -> None:
    with pytest.raises(InvalidInput):
        agents.create(actor=as_bob, **{"name": "coder", **fields})
    assert not Agent.objects.exists()
    assert not AuditEntry.objects.exists()


def test_a_name_that_is_taken_is_a_conflict(agent: Agent, as_bob: Actor) -> None:
    with pytest.raises(Conflict, match="already exists") as refusal:
        agents.create(actor=as_bob, name=agent.name)
    assert "name" in refusal.value.detail["fields"]


def test_a_viewer_makes_none_and_a_stranger_changes_none(agent: Agent, as_carol: Actor, as_dave: Actor) -> None:
    with pytest.raises(NotAllowed):
        agents.create(actor=as_carol, name="mine")
    with pytest.raises(NotAllowed):
        agents.update(actor=as_dave, agent_id=agent.pk, description="mine now")
    with pytest.raises(NotAllowed):
        agents.delete(actor=as_dave, agent_id=agent.pk)


def test_a_change_is_told_with_before_and_after(agent: Agent, as_bob: Actor) -> None:
    agents.update(actor=as_bob, agent_id=agent.pk, description="Writes.", max_concurrent_tasks=3)
    entry = AuditEntry.objects.get(action="agent.changed")
    assert entry.detail["changes"] == {"description": ["", "Writes."]}


def test_submitted_tasks_keep_what_they_were_submitted_with(
    agent: Agent, submit: Callable[..., Run], as_bob: Actor
) -> None:
    brief = agents.update(actor=as_bob, agent_id=agent.pk, system_prompt="Be brief.", options={"temperature": 0.2})
    task = submit("one", agent=brief).tasks.get()
    agents.update(actor=as_bob, agent_id=agent.pk, system_prompt="Be long.", options={})
    task.refresh_from_db()
    assert (task.system_prompt, task.options) == ("Be brief.", {"temperature": 0.2})


def test_the_default_agent_is_there_once_and_stays(as_alice: Actor) -> None:
    default = agents.ensure_default()
    assert agents.ensure_default() == default
    with pytest.raises(InvalidInput, match="keeps its name"):
        agents.update(actor=as_alice, agent_id=default.pk, name="other")
    with pytest.raises(Conflict, match="stays"):
        agents.delete(actor=as_alice, agent_id=default.pk)


def test_a_deleted_agents_tasks_stay_readable(agent: Agent, complete: Any, submitted_task: Task, as_bob: Actor) -> None:
    complete(submitted_task)
    agents.delete(actor=as_bob, agent_id=agent.pk)
    task = Task.objects.get()
    assert (task.agent, task.agent_name, task.status) == (None, "writer", "completed")
    assert Run.objects.get().agent_name == "writer"


def test_an_agent_with_unfinished_tasks_goes_only_with_them(
    agent: Agent, begin: Give, submit: Callable[..., Run], as_bob: Actor
) -> None:
    one, two = submit("one", "two").tasks.order_by("pk")
    begin(one)
    with pytest.raises(Conflict, match="2 unfinished tasks") as refusal:
        agents.delete(actor=as_bob, agent_id=agent.pk)
    assert refusal.value.detail == {"unfinished": 2}
    agents.delete(actor=as_bob, agent_id=agent.pk, cancel_tasks=True)
    one.refresh_from_db()
    two.refresh_from_db()
    assert (one.status, two.status) == ("running", "cancelled")
    assert one.cancel_requested_at is not None


def test_deleting_stops_where_somebody_elses_task_may_not_be_cancelled(
    agent: Agent, submit: Callable[..., Run], as_bob: Actor, as_dave: Actor
) -> None:
    submit("mine")
    submit("daves", actor=as_dave)
    with pytest.raises(NotAllowed):
        agents.delete(actor=as_bob, agent_id=agent.pk, cancel_tasks=True)
    assert Agent.objects.filter(pk=agent.pk).exists()
    assert set(Task.objects.values_list("status", flat=True)) == {"pending"}


def test_an_agent_that_is_not_there_is_not_found(as_alice: Actor) -> None:
    with pytest.raises(NotFound):
        agents.update(actor=as_alice, agent_id=9, name="x")
    with pytest.raises(NotFound):
        agents.delete(actor=as_alice, agent_id=9)


def test_models_that_no_node_has_are_worth_a_warning(agent: Agent) -> None:
    agent.models = ["llama3.2", "gone:1b"]
    agent.default_model = "gone:1b"
    agent.routing_preferences = {"code": "Coder"}
    assert agents.warnings(agent, ["llama3.2:latest"]) == ["No node has gone:1b.", "No node has Coder."]
