"""What holds and who decided it, every option there is, and the forecast of memory, over REST."""

import pytest

from orchestration.models import Agent, Node
from orchestration.policy.options import OPTIONS

from .conftest import ApiClient, refusal

MODEL = "llama3.2:latest"


def test_every_option_is_listed_with_what_it_takes(carol_api: ApiClient) -> None:
    rows = {row["name"]: row for row in carol_api.get("options").json()["options"]}
    assert set(rows) == set(OPTIONS)
    assert (rows["temperature"]["type"], rows["temperature"]["least"], rows["temperature"]["most"]) == ("number", 0, 10)
    assert rows["num_gpu"]["runner"]


def test_what_would_hold_says_who_decided_it(alice_api: ApiClient, agent: Agent, node: Node) -> None:
    alice_api.put("defaults", {"options": {"temperature": 0.1, "seed": 1}})
    alice_api.post("model-configs", {"model_name": MODEL, "options": {"seed": 2}})
    alice_api.put("agents/writer", {"preset": "creative"})
    answer = alice_api.get('effective?agent=writer&parameters={"top_k":5}').json()
    values = {row["name"]: (row["value"], row["origin"]) for row in answer["values"]}
    assert answer["model"] == MODEL
    assert values["seed"] == (2, f"model {MODEL}")
    assert values["temperature"] == (1.1, "preset creative of agent writer")
    assert values["top_k"] == (5, "task")
    assert [level["origin"] for level in answer["levels"]][-1] == "task"


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("agent=nobody", 404, "not_found"),
        ("preset=nothing", 400, "invalid_input"),
        ("parameters=[]", 400, "invalid_input"),
        ("parameters={", 400, "invalid_input"),
        ('parameters={"seed":"x"}', 400, "invalid_input"),
    ],
)
def test_questions_that_make_no_sense_are_refused(carol_api: ApiClient, query: str, status: int, code: str) -> None:
    refusal(carol_api.get(f"effective?{query}"), status, code)


def test_a_task_says_what_it_was_asked_with(bob_api: ApiClient, agent: Agent, node: Node) -> None:
    task = {"type": "generate", "input": "Hi", "parameters": {"seed": 3}, "format": "text"}
    run = bob_api.post("tasks", {"agent_id": "writer", "preset": "precise", "tasks": [task]}).json()
    found = bob_api.get(f"tasks/{run['tasks'][0]['id']}").json()
    values = {row["name"]: (row["value"], row["origin"]) for row in found["in_force"]}
    assert found["preset"] == "precise"
    assert values["seed"] == (3, "task")
    assert values["top_k"] == (10, "preset precise of the task")
    assert "format" not in values
    refused = bob_api.post("tasks", {"agent_id": "writer", "tasks": [{**task, "preset": "precis"}]})
    assert "Did you mean precise?" in refusal(refused, 400, "invalid_input")["message"]


def test_the_forecast_names_the_nodes_where_it_fits(carol_api: ApiClient, node: Node) -> None:
    Node.objects.update(vram_bytes=24_000_000_000)
    answer = carol_api.get(f"models/{MODEL}/forecast?num_ctx=8000").json()
    assert (answer["model"], answer["num_ctx"], answer["nodes"][0]["fits"]) == (MODEL, 8192, "fits")
    refusal(carol_api.get("models/team/unheard:1b/forecast"), 404, "not_found")
    refusal(carol_api.get(f"models/{MODEL}/forecast?num_ctx=0"), 400, "invalid_input")


def test_a_model_kept_to_nodes_comes_back_with_warnings(alice_api: ApiClient, node: Node) -> None:
    body = {"model_name": MODEL, "allowed_nodes": ["gpu-x"], "preset": "fast", "think": "low", "description": "Slow."}
    made = alice_api.post("model-configs", body).json()
    assert {name: made[name] for name in body} == body
    assert made["warnings"] == ["No node is called or labelled gpu-x."]
    alice_api.put("nodes/gpu-a", {"name": "gpu-z"})
    alice_api.put(f"model-configs/{made['id']}", {"allowed_nodes": ["gpu-z"]})
    alice_api.put("nodes/gpu-z", {"name": "gpu-y"})
    assert alice_api.get(f"model-configs/{made['id']}").json()["allowed_nodes"] == ["gpu-y"]
