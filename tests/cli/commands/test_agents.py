"""Agents from the command line, as the API is asked."""

AGENT = {
    "id": 2,
    "name": "myagent",
    "kind": "custom",
    "description": "Answers.",
    "models": ["llama3.2", "codellama"],
    "config": {
        "default_model": "llama3.2",
        "timeout_seconds": 30.0,
        "max_concurrent_tasks": 3,
        "routing_preferences": {"code": "codellama"},
    },
    "options": {"temperature": 0.2},
    "owner": "bob",
    "updated_at": "2026-11-21T10:00:00.000Z",
    "system_prompt": None,
    "applies": {"system_prompt": "Be brief.\nBe kind.", "think": False},
    "fallbacks": [],
    "prefer_labels": ["fast"],
    "memory_enabled": True,
    "router": "",
    "extension": "",
    "warnings": ["No node has codellama."],
}


def test_an_agent_is_made_with_what_was_given(drover, server):
    server.on("POST", "agents", (201, AGENT))
    outcome = drover(
        "create-agent", "myagent", "--models", "llama3.2,codellama", "--description", "Answers.",
        "--route", "code=codellama", "--option", "temperature=0.2", "--max-tasks", "5", "--kind", "coding",
    )  # fmt: skip
    assert outcome.stdout == "Agent myagent has the id 2.\n"
    assert outcome.stderr == "Warning: No node has codellama.\n"
    assert server.bodies("POST", "agents") == [
        {
            "name": "myagent",
            "models": ["llama3.2", "codellama"],
            "description": "Answers.",
            "kind": "coding",
            "options": {"temperature": 0.2},
            "config": {"max_concurrent_tasks": 5, "routing_preferences": {"code": "codellama"}},
        }
    ]


def test_agents_are_listed(drover, server):
    server.on("GET", "agents", {"agents": [AGENT], "next_cursor": None})
    assert drover("list-agents").stdout.splitlines() == [
        "id\tname\tkind\tmodels\tdescription",
        "2\tmyagent\tcustom\tllama3.2, codellama\tAnswers.",
    ]


def test_an_agent_is_shown_with_its_settings(drover, server):
    server.on("GET", "agents/myagent", AGENT)
    shown = drover("show-agent", "myagent").stdout
    for words in (
        "memory:        on",
        "routes:        code=codellama",
        "timeout:       30 s",
        "system prompt:\nBe brief.\nBe kind.",
    ):
        assert words in shown


def test_only_what_is_named_is_changed(drover, server):
    server.on("PUT", "agents/myagent", AGENT)
    assert drover("update-agent", "myagent", "--description", "").exit_code == 0
    drover("update-agent", "myagent", "--think", "false", "--answer-schema", '{"type": "object"}', "--no-memory")
    assert server.bodies("PUT", "agents/myagent") == [
        {"description": ""},
        {"think": False, "answer_schema": {"type": "object"}, "memory_enabled": False},
    ]
    assert drover("update-agent", "myagent").exit_code == 2


def test_an_agent_is_deleted_by_id(drover, server):
    server.on("DELETE", "agents/2", None)
    assert drover("delete-agent", "2").stdout == "Agent 2 is deleted.\n"
    assert drover("delete-agent", "2", "--cancel-tasks").exit_code == 0
    assert [query["cancel_tasks"] for query in server.queries("agents/2")] == ["false", "true"]
