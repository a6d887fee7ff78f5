"""What was decided about models, over REST."""

from typing import Any

import pytest

from orchestration.models import ModelConfig

from .conftest import ApiClient, refusal

LLAMA = {
    "model_name": "llama3.2:latest",
    "enabled": True,
    "priority": 3,
    "max_concurrent_requests": 2,
    "timeout_seconds": 60.0,
    "max_tries": 5,
    "retry": {"first_delay_seconds": 2.0, "growth": 1.5, "on": ["stream_failed"]},
    "keep_alive_seconds": 300.0,
    "options": {"temperature": 0.2, "num_gpu": 20},
    "labels": ["chat"],
    "fallbacks": ["llama2"],
    "description": "The usual one.",
    "preset": "precise",
    "think": False,
    "allowed_nodes": [],
}


def test_a_configuration_comes_back_as_it_was_sent(alice_api: ApiClient) -> None:
    response = alice_api.post("model-configs", LLAMA)
    answer = response.json()
    assert response.status_code == 201, answer
    assert answer == {"id": answer["id"], **LLAMA, "warnings": []}
    assert alice_api.get(f"model-configs/{answer['id']}").json() == answer
    row = {"id": answer["id"], **LLAMA}
    assert alice_api.get("model-configs").json() == {"model_configs": [row], "next_cursor": None}


def test_a_change_leaves_the_other_fields(alice_api: ApiClient) -> None:
    made = alice_api.post("model-configs", LLAMA).json()
    answer = alice_api.put(f"model-configs/{made['id']}", {"enabled": False, "timeout_seconds": None}).json()
    assert answer == {**made, "enabled": False, "timeout_seconds": None}


def test_a_configuration_is_deleted(alice_api: ApiClient) -> None:
    made = alice_api.post("model-configs", LLAMA).json()
    assert alice_api.delete(f"model-configs/{made['id']}").status_code == 204
    refusal(alice_api.get(f"model-configs/{made['id']}"), 404, "not_found")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "model_name: is missing"),
        ({**LLAMA, "options": {"temprature": 1}}, "Did you mean temperature?"),
        ({**LLAMA, "max_concurrent_requests": 0}, "max_concurrent_requests"),
        ({**LLAMA, "keep_alive_seconds": -1}, "keep_alive_seconds"),
        ({**LLAMA, "fallback": []}, "did you mean fallbacks?"),
        ({**LLAMA, "priority": 10**9}, "priority"),
    ],
)
def test_a_wrong_configuration_is_refused(alice_api: ApiClient, fields: dict[str, Any], words: str) -> None:
    assert words in refusal(alice_api.post("model-configs", fields), 400, "invalid_input")["message"]
    assert not ModelConfig.objects.exists()


def test_a_model_is_configured_once(alice_api: ApiClient) -> None:
    alice_api.post("model-configs", LLAMA)
    refusal(alice_api.post("model-configs", {"model_name": "llama3.2"}), 409, "conflict")


def test_configurations_are_for_maintainers(bob_api: ApiClient, alice_api: ApiClient) -> None:
    made = alice_api.post("model-configs", LLAMA).json()
    assert bob_api.get("model-configs").status_code == 200
    refusal(bob_api.post("model-configs", {"model_name": "x"}), 403, "not_allowed")
    refusal(bob_api.put(f"model-configs/{made['id']}", {"enabled": False}), 403, "not_allowed")
    refusal(bob_api.delete(f"model-configs/{made['id']}"), 403, "not_allowed")
