"""Pauses over REST: by whom, of what, under which name."""

import pytest

from orchestration.models import Agent, Pause

from .conftest import ApiClient, refusal


def test_a_pause_is_made_listed_and_ended(alice_api: ApiClient, carol_api: ApiClient) -> None:
    response = alice_api.post("pauses", {"kind": "priority", "key": "low", "note": "backup"})
    made = response.json()
    assert response.status_code == 201, made
    assert (made["kind"], made["key"], made["name"], made["paused_by"]) == ("priority", "2", "low priority", "alice")
    assert made["words"].startswith("Low priority paused by alice since ")
    assert carol_api.get("pauses").json() == {"pauses": [made], "next_cursor": None}
    assert alice_api.delete("pauses/priority/low").status_code == 204
    assert alice_api.delete("pauses/priority/low").status_code == 204
    assert carol_api.get("pauses").json()["pauses"] == []


def test_pausing_twice_answers_with_the_first_one(alice_api: ApiClient) -> None:
    first = alice_api.post("pauses", {"kind": "model", "key": "llama3.2", "note": "one"}).json()
    again = alice_api.post("pauses", {"kind": "model", "key": "llama3.2:latest", "note": "two"})
    assert (again.status_code, again.json()) == (200, first)


@pytest.mark.parametrize("key", ["hf.co/team/coder:q4_k_m", "registry.test:5000/team/coder:7b", "llama3.2"])
@pytest.mark.parametrize("end", ["", "/"])
def test_a_models_name_may_hold_slashes_and_colons(alice_api: ApiClient, key: str, end: str) -> None:
    alice_api.post("pauses", {"kind": "model", "key": key})
    assert alice_api.delete(f"pauses/model/{key}{end}").status_code == 204
    assert not Pause.objects.exists()


def test_an_agent_is_named_by_id_or_name(bob_api: ApiClient, agent: Agent) -> None:
    made = bob_api.post("pauses", {"kind": "agent", "key": "writer"}).json()
    assert (made["key"], made["name"]) == (str(agent.pk), "writer")
    assert bob_api.delete(f"pauses/agent/{agent.pk}").status_code == 204


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"kind": "queue", "key": "1"}, "'priority', 'agent' or 'model'"),
        ({"kind": "priority", "key": "3"}, "A priority is 0"),
        ({"kind": "model", "key": ""}, "Give the name of a model"),
        ({"kind": "model"}, "key: is missing"),
        ({"kind": "model", "key": "a", "note": "n" * 201}, "note"),
        ({"kind": "model", "key": "a", "until": "tomorrow"}, "has no field until"),
    ],
)
def test_what_cannot_be_paused_is_told(alice_api: ApiClient, body: object, words: str) -> None:
    assert words in refusal(alice_api.post("pauses", body), 400, "invalid_input")["message"]


def test_an_unknown_kind_cannot_be_resumed(alice_api: ApiClient) -> None:
    refusal(alice_api.delete("pauses/queue/1"), 400, "invalid_input")


@pytest.mark.parametrize("name", ["bob_api", "carol_api", "dave_api"])
def test_priorities_and_models_are_for_maintainers(name: str, request: pytest.FixtureRequest, db: None) -> None:
    client: ApiClient = request.getfixturevalue(name)
    refusal(client.post("pauses", {"kind": "model", "key": "llama3.2"}), 403, "not_allowed")
    refusal(client.delete("pauses/priority/2"), 403, "not_allowed")


@pytest.mark.parametrize(
    ("name", "status"), [("alice_api", 201), ("bob_api", 201), ("carol_api", 403), ("dave_api", 403)]
)
def test_an_agent_is_for_its_owner_and_maintainers(
    name: str, status: int, agent: Agent, request: pytest.FixtureRequest
) -> None:
    client: ApiClient = request.getfixturevalue(name)
    assert client.post("pauses", {"kind": "agent", "key": "writer"}).status_code == status


def test_somebody_without_a_key_is_told_to_send_one(anybody: ApiClient) -> None:
    refusal(anybody.get("pauses"), 401, "not_authenticated")
