"""Agents on the wire."""

from orchestration.models import Agent, User
from orchestration.payloads import AgentPayload, agent
from tests.payloads.conftest import AT, LATER, SENT, Exactly


def stored(**fields: object) -> Agent:
    return Agent(**{"pk": 4, "name": "writer", "created_at": AT, "updated_at": LATER, **fields})


def test_a_bare_agent_has_every_field(exactly: Exactly) -> None:
    exactly(AgentPayload, agent(stored()))


def test_an_agent_with_everything_has_every_field(exactly: Exactly, person: User) -> None:
    full = stored(
        models=["llama3.2:latest"],
        options={"temperature": 0.5, "stop": ["\n"]},
        routing_preferences={"code": "qwen3:8b"},
        timeout_seconds=30.0,
        max_tries=2,
        retry_delay_seconds=0.5,
        retry_growth=3.0,
        retry_on=["timeout"],
        owner=person,
    )
    sent = agent(full)
    exactly(AgentPayload, sent)
    assert sent["config"]["retry"] == {"first_delay_seconds": 0.5, "growth": 3.0, "on": ["timeout"]}
    assert (sent["owner"], sent["options"]) == ("bob", {"temperature": 0.5, "stop": ["\n"]})
    assert (sent["created_at"], sent["updated_at"]) == (SENT, "2026-03-01T09:00:00.000Z")


def test_limits_stand_together_and_none_is_no_limit_of_its_own() -> None:
    config = agent(stored(default_model="phi4:latest", routing_preferences={"code": "qwen3:8b"}))["config"]
    assert config == {
        "max_concurrent_tasks": 3,
        "default_model": "phi4:latest",
        "timeout_seconds": None,
        "max_tries": None,
        "retry": {"first_delay_seconds": None, "growth": None, "on": []},
        "routing_preferences": {"code": "qwen3:8b"},
    }


def test_warnings_are_told_by_those_who_looked_for_them() -> None:
    assert "warnings" not in agent(stored())
