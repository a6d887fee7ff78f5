"""Nodes told over REST what to do with models."""

from collections.abc import Callable
from typing import Any

import pytest

from orchestration.models import Agent, Node, NodeModel, Pull, Task

from .conftest import ApiClient, refusal

HERE = "llama3.2:latest"


@pytest.fixture
def herd(make_node: Callable[..., Node]) -> list[Node]:
    return [make_node("gpu-a"), make_node("gpu-b", loaded=(HERE,))]


def titles(answer: Any) -> list[str]:
    return [task["title"] for task in answer["tasks"]]


def test_a_model_is_pulled_to_nodes_by_name_or_id(alice_api: ApiClient, herd: list[Node]) -> None:
    body = {"model": "qwen3:8b", "nodes": ["gpu-a", herd[1].pk]}
    response = alice_api.post("models/pull", body)
    answer = response.json()
    assert response.status_code == 202, answer
    assert answer["title"] == "Pull qwen3:8b on 2 nodes"
    assert titles(answer) == ["Pull qwen3:8b on gpu-a", "Pull qwen3:8b on gpu-b"]
    assert answer["under_way"] == []
    again = alice_api.post("models/pull", body).json()
    assert again["under_way"] == [task["id"] for task in answer["tasks"]]


def test_several_models_are_pulled_at_once_to_all_nodes(alice_api: ApiClient, herd: list[Node]) -> None:
    answer = alice_api.post("models/pull", {"models": ["qwen3:8b", "hf.co/org/some-model:Q4"]}).json()
    assert answer["counts"]["pending"] == 4
    spelled = Task.objects.get(title="Pull hf.co/org/some-model:q4 on gpu-b").parameters["spelled"]
    assert spelled == {"hf.co/org/some-model:q4": "hf.co/org/some-model:Q4"}
    assert "Pull hf.co/org/some-model:q4 on gpu-b" in titles(answer)


def test_a_pull_names_a_model(alice_api: ApiClient, herd: list[Node]) -> None:
    assert refusal(alice_api.post("models/pull", {"nodes": "all"}), 400)["code"] == "invalid_input"


def test_pulls_are_listed_with_how_far_they_are(alice_api: ApiClient, carol_api: ApiClient, herd: list[Node]) -> None:
    task = alice_api.post("models/pull", {"model": "qwen3:8b", "nodes": ["gpu-a"]}).json()["tasks"][0]
    Task.objects.filter(pk=task["id"]).update(status="running")
    Pull.objects.update(done_bytes=2_100_000_000, total_bytes=4_900_000_000, bytes_per_second=87_000_000)
    (pull,) = carol_api.get("pulls").json()["pulls"]
    assert (pull["task_id"], pull["node"], pull["model"], pull["percent"]) == (task["id"], "gpu-a", "qwen3:8b", 42.9)
    assert pull["words"] == "2.1 GB of 4.9 GB, 87 MB/s, 32 s left"


def test_names_with_slashes_are_loaded_unloaded_and_copied(
    alice_api: ApiClient, make_node: Callable[..., Node]
) -> None:
    name = "hf.co/org/some-model:q4"
    make_node("gpu-a", models=(name,), loaded=(name,))
    for action, body in (("load", {"num_ctx": 8192}), ("unload", {}), ("copy", {"destination": "mine"})):
        response = alice_api.post(f"models/{name}/{action}", body)
        assert response.status_code == 202, response.json()
    assert [task.type for task in Task.objects.order_by("pk")] == ["load", "unload", "copy"]


def test_a_model_that_is_used_is_deleted_only_when_forced(
    alice_api: ApiClient, herd: list[Node], make_agent: Callable[..., Agent]
) -> None:
    make_agent("writer", models=[HERE])
    error = refusal(alice_api.delete(f"models/{HERE}"), 409)
    assert error["code"] == "model_in_use"
    assert error["detail"]["dependents"][0]["name"] == "writer"
    response = alice_api.delete(f"models/{HERE}?force=true&nodes=gpu-a,gpu-b")
    assert response.status_code == 202, response.json()
    assert titles(response.json()) == [f"Delete {HERE} on gpu-a", f"Delete {HERE} on gpu-b"]


def test_a_model_is_pinned_and_let_go_again(alice_api: ApiClient, herd: list[Node]) -> None:
    answer = alice_api.post("models/llama3.2/pin", {"nodes": ["gpu-a"], "num_ctx": 8000}).json()
    assert answer["pins"] == [
        {
            "node_id": herd[0].pk,
            "node": "gpu-a",
            "model": HERE,
            "pinned": True,
            "context_length": 8192,
            "by": "alice",
        }
    ]
    alice_api.post("models/llama3.2/unpin", {})
    assert not NodeModel.objects.filter(pinned=True).exists()


@pytest.mark.parametrize("path", ["models/pull", f"models/{HERE}/load", f"models/{HERE}/pin"])
def test_operators_may_not(path: str, bob_api: ApiClient, herd: list[Node]) -> None:
    body = {"model": "qwen3:8b"} if path == "models/pull" else {}
    assert refusal(bob_api.post(path, body), 403)["code"] == "not_allowed"


def test_an_unknown_node_is_named(alice_api: ApiClient, herd: list[Node]) -> None:
    body = {"model": "qwen3:8b", "nodes": ["gpu-z"]}
    assert "gpu-z" in refusal(alice_api.post("models/pull", body), 404)["message"]


def test_an_idempotency_key_is_for_one_model_and_one_action(alice_api: ApiClient, herd: list[Node]) -> None:
    key = {"Idempotency-Key": "once"}
    assert alice_api.post(f"models/{HERE}/load", {}, **key).status_code == 202
    for path in (f"models/{HERE}/unload", "models/qwen3:8b/load"):
        assert refusal(alice_api.post(path, {}, **key), 409)["code"] == "conflict"


def test_a_request_that_is_sent_again_is_answered_as_before_although_nothing_is_left_to_do(
    alice_api: ApiClient, herd: list[Node]
) -> None:
    key = {"Idempotency-Key": "once"}
    first = alice_api.post(f"models/{HERE}/unload", {}, **key).json()
    Task.objects.update(status="completed")
    NodeModel.objects.update(loaded=False)
    again = alice_api.post(f"models/{HERE}/unload", {}, **key)
    assert (again.status_code, again.json()["id"]) == (202, first["id"])
