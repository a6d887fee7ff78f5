"""What the shell completes."""

import pytest

from orchestration.cli.arguments import agent_names

from .conftest import KEY


@pytest.fixture
def environment(monkeypatch, server, config_home):
    monkeypatch.setenv("DROVER_URL", server.url)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(config_home))
    return monkeypatch


def test_names_of_agents_with_what_they_are_for(environment, server):
    environment.setenv("DROVER_API_KEY", KEY)
    server.on("GET", "agents", {"agents": [{"name": "writer", "description": "Writes\nlong."}]})
    assert list(agent_names(None)) == [("writer", "Writes long.")]


def test_nothing_where_nobody_answers(environment):
    environment.setenv("DROVER_API_KEY", "wrong")
    assert list(agent_names(None)) == []
    environment.setenv("DROVER_URL", "http://127.0.0.1:9")
    assert list(agent_names(None)) == []
