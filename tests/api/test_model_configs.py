"""Models and their configuration over REST."""

from collections.abc import Callable
from typing import Any

import pytest

from orchestration.api.model_configs import base_name
from orchestration.models import ModelConfig, Node

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
    "options": {"temperature": 0.2},
    "labels": ["chat"],
    "fallbacks": ["llama2"],
}


def test_models_are_grouped_by_base_name(carol_api: ApiClient, make_node: Callable[..., Node]) -> None:
    make_node("gpu-a", models=("llama3.2:1b", "llama3.2:latest"), loaded=("llama3.2:1b",))
    make_node("gpu-b", models=("llama3.2:1b", "codellama:7b"))
    answer = carol_api.get("models").json()
    assert [group["name"] for group in answer["models"]] == ["codellama", "llama3.2"]
    small = answer["models"][1]["variants"][0]
    assert (small["name"], small["installed_on"], small["loaded_on"]) == ("llama3.2:1b", ["gpu-a", "gpu-b"], ["gpu-a"])


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("llama3.2:latest", "llama3.2"),
        ("team/model:7b", "team/model"),
        ("registry:5000/team/model:7b", "registry:5000/team/model"),
        ("registry:5000/team/model", "registry:5000/team/model"),
        ("plain", "plain"),
    ],
)
def test_the_base_name_is_what_stands_before_the_tag(name: str, base: str) -> None:
    assert base_name(name) == base


def test_a_configuration_comes_back_as_it_was_sent(alice_api: ApiClient) -> None:
    response = alice_api.post("model-configs", LLAMA)
    answer = response.json()
    assert response.status_code == 201, answer
    assert answer == {"id": answer["id"], **LLAMA}
    assert alice_api.get(f"model-configs/{answer['id']}").json() == answer
    assert alice_api.get("model-configs").json() == {"model_configs": [answer], "next_cursor": None}


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
