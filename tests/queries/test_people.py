"""Agents by id or by name, and the audit trail."""

from collections.abc import Callable
from typing import Any

import pytest

from orchestration import queries
from orchestration.errors import NotFound
from orchestration.models import Agent
from orchestration.permissions import SYSTEM
from orchestration.services import audit


def test_an_agent_is_found_by_id_and_by_name(agent: Agent) -> None:
    assert queries.get_agent("writer") == queries.get_agent(agent.pk) == queries.get_agent(str(agent.pk)) == agent


def test_an_unknown_agent_is_answered_with_those_there_are(agent: Agent, make_agent: Callable[..., Agent]) -> None:
    make_agent("coder")
    with pytest.raises(NotFound, match="Did you mean writer"):
        queries.get_agent("wirter")
    with pytest.raises(NotFound, match="There are: coder, writer"):
        queries.get_agent("zzzz")
    for odd in ("9" * 30, "9" * 5000, "²", "٣", "writer\0"):
        with pytest.raises(NotFound):
            queries.get_agent(odd)


def test_agents_are_one_query(agent: Agent, make_agent: Callable[..., Agent], django_assert_num_queries: Any) -> None:
    make_agent("coder")
    with django_assert_num_queries(1):
        assert [(row["name"], row["owner"]) for row in queries.agents()] == [("coder", None), ("writer", "bob")]


def test_the_audit_trail_is_newest_first_and_can_be_narrowed(agent: Agent, make_agent: Callable[..., Agent]) -> None:
    other = make_agent("coder")
    audit.record(SYSTEM, "agent.created", agent)
    audit.record(SYSTEM, "agent.changed", agent)
    audit.record(SYSTEM, "agent.created", other)
    assert [(row["action"], row["object_name"]) for row in queries.audit(limit=2)] == [
        ("agent.created", "coder"),
        ("agent.changed", "writer"),
    ]
    assert len(queries.audit(object_type="agent", object_id=agent.pk)) == 2
    assert queries.audit(object_type="node") == []
