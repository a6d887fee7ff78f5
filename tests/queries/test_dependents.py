"""Who would miss a model, asked before it is deleted."""

from collections.abc import Callable

import pytest

from orchestration.models import Agent, Conversation, FleetDefaults, Lane, ModelConfig, Task, Workflow, WorkflowVersion
from orchestration.queries.dependents import dependents
from tests.queries.conftest import Make

MODEL = "llama3.2:latest"


def test_nobody_misses_a_model_that_nobody_names(agent: Agent) -> None:
    found = dependents("mistral:7b")
    assert not found
    assert found.words == ""


def test_agents_miss_a_model_they_name_in_whatever_way(make_agent: Callable[..., Agent]) -> None:
    make_agent("writer", models=["llama3.2"])
    make_agent("coder", models=["qwen3:8b"], routing_preferences={"chat": "LLAMA3.2:latest", "code": "qwen3:8b"})
    make_agent("poet", models=[], default_model="llama3.2", fallbacks=["llama3.2"])
    make_agent("other", models=["llama3.2:3b"])
    found = dependents(MODEL)
    assert {each["name"]: each["how"] for each in found.of_kind("agent")} == {
        "writer": "its only model",
        "coder": "preferred for chat",
        "poet": "default model, fallback",
    }


def _workflow(name: str, *versions: str) -> Workflow:
    row = Workflow.objects.create(name=name, latest=len(versions))
    for number, model in enumerate(versions, 1):
        definition = {"name": name, "steps": [{"name": "plan", "type": "generate", "model_name": model}]}
        WorkflowVersion.objects.create(workflow=row, number=number, definition=definition)
    return row


def test_workflows_miss_what_their_latest_version_names(agent: Agent) -> None:
    _workflow("digest", "mistral:7b", "llama3.2")
    _workflow("old", "llama3.2", "mistral:7b")
    found = dependents(MODEL).of_kind("workflow")
    assert [(each["name"], each["how"]) for each in found] == [("digest", "step plan")]


def test_decisions_fallbacks_and_the_defaults_of_the_fleet_count(db: None) -> None:
    ModelConfig.objects.create(model_name=MODEL)
    ModelConfig.objects.create(model_name="mistral:7b", fallbacks=["llama3.2"])
    FleetDefaults.objects.create(pk=1, default_model="llama3.2")
    found = dependents("llama3.2")
    assert [(each["name"], each["how"]) for each in found.of_kind("model-config")] == [
        (MODEL, "what was decided about it"),
        ("mistral:7b", "falls back to it"),
    ]
    assert "the default model of the fleet" in found.words


def test_conversations_with_such_agents_and_waiting_tasks_are_counted(agent: Agent, make_task: Make) -> None:
    Conversation.objects.create(agent=agent, agent_name=agent.name)
    make_task("pending")
    make_task("running")
    make_task("completed")
    found = dependents(MODEL)
    assert (found.conversations, found.tasks) == (1, 2)
    assert found.words == "agent writer (its only model), 1 conversation and 2 unfinished tasks"


def test_an_errand_about_a_model_does_not_depend_on_it(make_task: Make) -> None:
    lane = Lane.objects.create(key="errand", type="pull", models=["mistral:7b"], num_ctx=0)
    Task.objects.filter(pk=make_task("pending").pk).update(lane=lane, type="pull")
    assert not dependents("mistral:7b")


@pytest.mark.parametrize("odd", [None, 7, "", "  "])
def test_odd_names_in_old_rows_are_nobodys_model(odd: object, make_agent: Callable[..., Agent]) -> None:
    make_agent("odd", models=[odd], default_model="", routing_preferences={"chat": odd})
    assert not dependents(MODEL)
