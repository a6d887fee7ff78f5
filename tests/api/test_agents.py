"""Agents over REST."""

from typing import Any

import pytest

from orchestration.models import Agent, Node, Task

from .conftest import ApiClient, refusal

CODER: dict[str, Any] = {
    "name": "coder",
    "description": "Writes code.",
    "kind": "coding",
    "models": ["codellama:7b", "llama3.2"],
    "config": {
        "max_concurrent_tasks": 2,
        "default_model": "codellama:7b",
        "timeout_seconds": 120,
        "retry": {"first_delay_seconds": 5, "growth": 3, "on": ["timeout", "refused"]},
        "routing_preferences": {"code": "codellama:7b"},
    },
    "system_prompt": "Be exact.",
    "options": {"temperature": 0.2},
}


def test_an_agent_comes_back_as_it_was_sent(bob_api: ApiClient, node: Node) -> None:
    response = bob_api.post("agents", CODER)
    answer = response.json()
    assert response.status_code == 201, answer
    for name in ("name", "description", "kind", "models", "system_prompt", "options"):
        assert answer[name] == CODER[name]
    assert answer["config"] == {**CODER["config"], "max_tries": None}
    assert answer["owner"] == "bob"
    assert bob_api.get("agents/coder").json() == bob_api.get(f"agents/{answer['id']}").json() == answer


def test_what_is_sent_of_the_retries_changes_and_the_rest_stays(bob_api: ApiClient) -> None:
    bob_api.post("agents", CODER)
    answer = bob_api.put("agents/coder", {"config": {"retry": {"growth": None, "on": []}}}).json()
    assert answer["config"] == {
        **CODER["config"],
        "max_tries": None,
        "retry": {"first_delay_seconds": 5, "growth": None, "on": []},
    }


@pytest.mark.parametrize(
    ("retry", "words"),
    [
        ({"on": ["invalid_input"]}, "choose from unreachable, refused"),
        ({"growth": 0}, "greater than or equal to 1"),
        ({"first_delay_seconds": -1}, "greater than or equal to 0"),
        ({"delay": 1}, "has no field delay"),
    ],
)
def test_retries_that_make_no_sense_are_refused_in_words(bob_api: ApiClient, retry: dict[str, Any], words: str) -> None:
    response = bob_api.post("agents", {"name": "hasty", "config": {"retry": retry}})
    assert words in refusal(response, 400, "invalid_input")["message"]


def test_models_that_no_node_has_are_a_warning(bob_api: ApiClient, node: Node) -> None:
    assert bob_api.post("agents", CODER).json()["warnings"] == ["No node has codellama:7b."]


def test_agents_are_listed_by_name_and_paged(bob_api: ApiClient) -> None:
    for name in ("delta", "alpha", "charlie"):
        bob_api.post("agents", {"name": name})
    first = bob_api.get("agents?limit=2").json()
    second = bob_api.get(f"agents?limit=2&cursor={first['next_cursor']}").json()
    assert [agent["name"] for agent in first["agents"] + second["agents"]] == ["alpha", "charlie", "delta"]
    assert second["next_cursor"] is None


def test_a_change_replaces_the_fields_that_are_sent_and_no_others(bob_api: ApiClient) -> None:
    before = bob_api.post("agents", CODER).json()
    answer = bob_api.put("agents/coder", {"models": ["llama3.2"], "config": {"max_concurrent_tasks": 9}}).json()
    assert answer["models"] == ["llama3.2"]
    assert answer["config"] == {**before["config"], "max_concurrent_tasks": 9}
    assert answer["system_prompt"] == "Be exact."


def test_an_agent_can_be_renamed(bob_api: ApiClient) -> None:
    bob_api.post("agents", CODER)
    assert bob_api.put("agents/coder", {"name": "programmer"}).json()["name"] == "programmer"
    refusal(bob_api.get("agents/coder"), 404, "not_found")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "name: is missing"),
        ({"name": "  "}, "name"),
        ({"name": "12"}, "digits"),
        ({"name": "x" * 81}, "name"),
        ({"name": None}, "name: must be a text"),
        ({"name": "x", "kind": "codng"}, "kind"),
        ({"name": "x", "modles": []}, "did you mean models?"),
        ({"name": "x", "models": "llama3.2"}, "models: must be a list"),
        ({"name": "x", "models": [""]}, "models"),
        ({"name": "x", "options": {"temprature": 1}}, "Did you mean temperature?"),
        ({"name": "x", "config": {"max_concurrent_task": 1}}, "config: has no field max_concurrent_task"),
        ({"name": "x", "config": {"max_concurrent_tasks": 0}}, "config.max_concurrent_tasks"),
        ({"name": "x", "config": {"timeout_seconds": -1}}, "config.timeout_seconds"),
        ({"name": "x", "config": {"routing_preferences": {"code": 1}}}, "config.routing_preferences.code"),
        ({"name": "x", "config": None}, "config: must be an object"),
    ],
)
def test_a_wrong_agent_is_refused(bob_api: ApiClient, fields: dict[str, Any], words: str) -> None:
    assert words in refusal(bob_api.post("agents", fields), 400, "invalid_input")["message"]
    assert not Agent.objects.exists()


def test_a_name_that_is_taken_is_409(bob_api: ApiClient) -> None:
    bob_api.post("agents", CODER)
    refusal(bob_api.post("agents", CODER), 409, "conflict")
    assert Agent.objects.count() == 1


def test_an_agent_is_deleted(bob_api: ApiClient) -> None:
    bob_api.post("agents", CODER)
    assert bob_api.delete("agents/coder").status_code == 204
    refusal(bob_api.delete("agents/coder"), 404, "not_found")


def test_an_agent_with_unfinished_tasks_stays(bob_api: ApiClient, submitted_task: Task) -> None:
    error = refusal(bob_api.delete("agents/writer"), 409, "conflict")
    assert error["detail"]["unfinished"] == 1
    assert Agent.objects.filter(name="writer").exists()


def test_an_agent_goes_with_its_unfinished_tasks_when_asked(bob_api: ApiClient, submitted_task: Task) -> None:
    assert bob_api.delete("agents/writer?cancel_tasks=true").status_code == 204
    answer = bob_api.get(f"tasks/{submitted_task.pk}").json()
    assert (answer["status"], answer["agent"], answer["agent_id"]) == ("cancelled", "writer", None)


def test_a_viewer_only_reads(carol_api: ApiClient, agent: Agent) -> None:
    assert carol_api.get("agents").status_code == 200
    refusal(carol_api.post("agents", CODER), 403, "not_allowed")
    refusal(carol_api.put("agents/writer", {"description": "mine"}), 403, "not_allowed")
    refusal(carol_api.delete("agents/writer"), 403, "not_allowed")


def test_a_stranger_does_not_change_an_agent(dave_api: ApiClient, agent: Agent) -> None:
    refusal(dave_api.put("agents/writer", {"description": "mine"}), 403, "not_allowed")
    refusal(dave_api.delete("agents/writer"), 403, "not_allowed")


@pytest.mark.parametrize("cursor", ["x", "-1", "²"])
def test_a_cursor_that_nobody_gave_is_refused(bob_api: ApiClient, cursor: str) -> None:
    assert "cursor" in refusal(bob_api.get(f"agents?cursor={cursor}"), 400)["message"]


ALL: dict[str, Any] = {
    "think": "high",
    "fallbacks": ["mistral:7b"],
    "prefer_labels": ["fast"],
    "answer_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
    "memory_enabled": True,
}


def test_everything_an_agent_may_say_comes_back(bob_api: ApiClient) -> None:
    answer = bob_api.post("agents", {**CODER, **ALL}).json()
    assert {name: answer[name] for name in ALL} == ALL
    assert (answer["router"], answer["extension"]) == ("", "")
    assert answer["applies"] == {"system_prompt": "Be exact.", "think": "high"}
    assert "No node has mistral:7b." in answer["warnings"]


@pytest.mark.parametrize(("sent", "applies"), [({}, "You are an e"), ({"system_prompt": None}, "You are an e")])
def test_who_says_nothing_says_what_the_kind_says(bob_api: ApiClient, sent: dict[str, Any], applies: str) -> None:
    answer = bob_api.post("agents", {"name": "coder", "kind": "coding", **sent}).json()
    assert (answer["system_prompt"], answer["think"]) == (None, None)
    assert (answer["applies"]["system_prompt"][:12], answer["applies"]["think"]) == (applies, "medium")


def test_an_empty_prompt_is_none_at_all_until_it_is_taken_back(bob_api: ApiClient) -> None:
    answer = bob_api.post("agents", {"name": "coder", "kind": "coding", "system_prompt": ""}).json()
    assert (answer["system_prompt"], answer["applies"]["system_prompt"]) == ("", "")
    answer = bob_api.put("agents/coder", {"system_prompt": None}).json()
    assert answer["applies"]["system_prompt"].startswith("You are an experienced software engineer.")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"think": "deeply"}, "think is true, false or one of low, medium, high"),
        ({"answer_schema": {"type": "nonsense"}}, "The JSON schema"),
        ({"fallbacks": [" "]}, "fallbacks is a list of model names"),
        ({"fallbacks": [f"m{number}" for number in range(9)]}, "at most 8 fallbacks"),
        ({"prefer_labels": [""]}, "prefer_labels is a list of labels"),
        ({"router": "nowhere"}, "No router nowhere is installed here"),
        ({"extension": "nowhere"}, "No agent extension nowhere is installed here"),
    ],
)
def test_what_an_agent_cannot_say_is_refused_in_words(bob_api: ApiClient, fields: dict[str, Any], words: str) -> None:
    error = refusal(bob_api.post("agents", {"name": "odd", **fields}), 400, "invalid_input")
    assert words in error["message"]
    assert error["detail"]["field"] == next(iter(fields))


def test_kinds_that_no_rule_finds_are_warned_of(bob_api: ApiClient, node: Node) -> None:
    preferences = {"poetry": "llama3.2", "coding": "llama3.2"}
    answer = bob_api.post("agents", {"name": "poet", "config": {"routing_preferences": preferences}}).json()
    assert answer["warnings"] == ["No task is ever found to be of the kind “poetry”."]


def test_an_extension_that_has_gone_stops_nobody_from_changing_something_else(bob_api: ApiClient) -> None:
    bob_api.post("agents", {"name": "old"})
    Agent.objects.update(router="gone")
    answer = bob_api.put("agents/old", {"description": "still here"}).json()
    assert answer["router"] == "gone"
    assert "The router gone is not installed here." in answer["warnings"]
