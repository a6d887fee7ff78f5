"""Presets and the fleet's defaults over REST."""

import pytest

from orchestration.models import Agent, FleetDefaults
from orchestration.services import presets

from .conftest import ApiClient, refusal

POEMS = {"name": "poems", "description": "For verse.", "options": {"temperature": 1.2}, "think": False}


def test_a_preset_comes_back_as_it_was_sent(bob_api: ApiClient, alice_api: ApiClient) -> None:
    response = bob_api.post("presets", POEMS)
    made = response.json()
    assert response.status_code == 201, made
    assert made == {"id": made["id"], **POEMS, "built_in": False}
    assert bob_api.get("presets/poems").json() == {**made, "used_by": []}
    changed = alice_api.put("presets/poems", {"options": {"seed": 1}}).json()
    assert changed == {**made, "options": {"seed": 1}}
    refusal(bob_api.put("presets/poems", {"options": {}}), 403, "not_allowed")
    assert alice_api.delete(f"presets/{made['id']}").status_code == 204
    refusal(alice_api.get("presets/poems"), 404, "not_found")


def test_the_built_in_ones_come_first_and_can_be_restored(alice_api: ApiClient) -> None:
    presets.ensure_built_in()
    alice_api.post("presets", {"name": "aaa"})
    names = [row["name"] for row in alice_api.get("presets").json()["presets"]]
    assert set(names[:5]) == {"balanced", "creative", "precise", "fast", "long context"}
    assert names[5:] == ["aaa"]
    before = alice_api.get("presets/long%20context").json()["options"]
    alice_api.put("presets/long%20context", {"options": {"num_ctx": 65536}})
    assert alice_api.post("presets/long%20context/restore").json()["options"] == before
    refusal(alice_api.post("presets/aaa/restore"), 404, "not_found")
    refusal(alice_api.delete("presets/fast"), 409, "conflict")


def test_one_that_is_used_is_kept_and_says_by_whom(alice_api: ApiClient, agent: Agent) -> None:
    alice_api.post("presets", POEMS)
    assert alice_api.put("agents/writer", {"preset": "poems"}).json()["preset"] == "poems"
    refused = refusal(alice_api.delete("presets/poems"), 409, "conflict")
    assert [user["words"] for user in refused["detail"]["used_by"]] == ["agent writer"]
    assert alice_api.get("presets/poems").json()["used_by"] == refused["detail"]["used_by"]


def test_every_problem_of_a_preset_is_named(bob_api: ApiClient) -> None:
    response = bob_api.post("presets", {"name": "x", "options": {"top_q": 1, "temperature": 99}, "think": "hard"})
    assert set(refusal(response, 400, "invalid_input")["detail"]["fields"]) == {"top_q", "temperature", "think"}


def test_the_defaults_are_empty_until_somebody_decides(alice_api: ApiClient, carol_api: ApiClient) -> None:
    empty: dict[str, object] = {"default_model": "", "preset": "", "options": {}, "think": None}
    empty["timeout_seconds"] = None
    assert carol_api.get("defaults").json() == {**empty, "keep_alive_seconds": None}
    answer = alice_api.put(
        "defaults", {"default_model": "Llama3.2", "preset": "precise", "options": {"num_gpu": 1}}
    ).json()
    assert (answer["default_model"], answer["preset"], answer["options"]) == (
        "llama3.2:latest",
        "precise",
        {"num_gpu": 1},
    )
    refusal(carol_api.put("defaults", {"preset": ""}), 403, "not_allowed")
    assert FleetDefaults.objects.get().preset == "precise"


@pytest.mark.parametrize("body", [{"preset": "nothing"}, {"options": {"seed": "x"}}, {"colour": 1}, {"think": 3}])
def test_defaults_that_make_no_sense_are_refused(alice_api: ApiClient, body: dict[str, object]) -> None:
    refusal(alice_api.put("defaults", body), 400, "invalid_input")
    assert not FleetDefaults.objects.exists()
