"""What a node can do wrong: the attempt ends with the right reason, the task goes elsewhere or fails in words."""

import pytest

from orchestration.ollama.simulator import Herd
from tests.e2e.herd import Drover, running_drover, until

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def drover(herd: Herd):
    quick = {"drover_between_objects_timeout_seconds": 2, "drover_first_object_timeout_seconds": 4}
    quick |= {"drover_circuit_faults": 1000}  # its own test is in test_circuits.py
    with running_drover(**quick) as running:
        running.connect(herd, slots_per_model=32)
        yield running


@pytest.fixture(autouse=True)
def both_nodes_ready(drover: Drover, herd: Herd):
    """The model is loaded on both, so that a task that fails on one finds the other at once; no fault is left over."""
    for node in herd.nodes:
        _load_on(drover, node.name)
    yield
    for node in herd.nodes:
        node.clear_faults()


def _load_on(drover: Drover, name: str) -> None:
    (node,) = [it for it in drover.nodes() if it["name"] == name]
    if any(model["name"] == "llama3.2:latest" and model["loaded"] for model in node["models"]):
        return
    others = [it["name"] for it in drover.nodes() if it["name"] != name]
    for other in others:
        drover.api("POST", f"nodes/{other}/drain")
    (task,) = drover.until_ended(*drover.submit("Warm up."))
    assert (task["status"], task["node"]) == ("completed", name)
    for other in others:
        drover.api("POST", f"nodes/{other}/resume")


def _run_with(drover: Drover, herd: Herd, fault: dict, **fields) -> dict:
    """One task while the fault strikes once, wherever the task goes first."""
    for node in herd.nodes:
        node.faults({**fault, "path": "/api/generate"}, replace=True)
    (task_id,) = drover.submit("Tell me something long.", parameters={"num_predict": 60}, **fields)
    until(lambda: drover.task(task_id)["attempts"] >= 1, "the first attempt")
    until(lambda: _first_attempt(drover.task(task_id))["ended_at"], "its end", 30)
    for node in herd.nodes:
        node.clear_faults()
    (task,) = drover.until_ended(task_id)
    return task


def _first_attempt(task: dict) -> dict:
    return task["attempt_list"][-1]


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        ({"kind": "error_line", "after_tokens": 5}, "stream_failed", ""),
        ({"kind": "truncate", "after_tokens": 5}, "stream_truncated", ""),
        ({"kind": "drop", "after_tokens": 5}, "stream_truncated", ""),
        ({"kind": "stall", "after_tokens": 5}, "stream_stalled", "2"),
        ({"kind": "garbage", "after_tokens": 5}, "malformed_answer", ""),
        ({"kind": "runner_crash", "after_tokens": 5}, "stream_failed", "runner"),
        ({"kind": "busy"}, "refused", "busy"),
        ({"kind": "server_error"}, "refused", ""),
        ({"kind": "html"}, "malformed_answer", ""),
        ({"kind": "reset"}, "unreachable", ""),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else None,
)
def test_a_passing_fault_ends_the_attempt_in_words_and_the_task_succeeds_elsewhere(
    drover: Drover, herd: Herd, fault: dict, code: str, words: str
) -> None:
    task = _run_with(drover, herd, fault)
    attempt = _first_attempt(task)
    assert (attempt["status"], attempt["error_code"]) == ("failed", code), attempt
    assert words in attempt["error"]
    assert len(attempt["error"]) > 10
    assert task["status"] == "completed"
    assert (task["error"], task["error_code"]) == (None, None)
    assert task["attempt_list"][0]["node"] != attempt["node"]


def test_a_model_that_is_gone_from_a_node_is_asked_for_on_the_other(drover: Drover, herd: Herd) -> None:
    task = _run_with(drover, herd, {"kind": "not_found"})
    assert "not found" in _first_attempt(task)["error"]
    assert task["status"] == "completed"
    assert len({attempt["node"] for attempt in task["attempt_list"]}) == 2


def test_a_task_that_fails_twice_goes_to_a_node_that_must_load_its_model_first(drover: Drover, herd: Herd) -> None:
    (before,) = drover.until_ended(*drover.submit("Who has you loaded?", type="chat", model_name="qwen3:8b"))
    herd.node(before["node"]).faults({"kind": "server_error", "path": "/api/chat"}, replace=True)
    (task,) = drover.until_ended(*drover.submit("And who can load you?", type="chat", model_name="qwen3:8b"))
    assert task["status"] == "completed"
    nodes = [attempt["node"] for attempt in reversed(task["attempt_list"])]
    assert nodes[:2] == [before["node"]] * 2
    assert nodes[2] != before["node"]


def test_a_fault_that_stays_fails_the_task_after_its_tries(drover: Drover, herd: Herd) -> None:
    for node in herd.nodes:
        node.faults({"kind": "server_error", "path": "/api/generate"}, replace=True)
    (task,) = drover.until_ended(*drover.submit("Doomed."))
    assert task["status"] == "failed"
    assert (task["attempts"], task["error_code"]) == (3, "refused")


def test_a_node_that_dies_mid_stream_loses_its_tasks_to_the_other(drover: Drover, herd: Herd) -> None:
    ids = drover.submit(*(f"Survivor {n}" for n in range(6)), parameters={"num_predict": 400})
    drover.until_running(*ids)
    herd.node("gpu-a").faults({"kind": "die"})
    tasks = drover.until_ended(*ids)
    herd.node("gpu-a").clear_faults()
    assert {task["status"] for task in tasks} == {"completed"}, [task["error"] for task in tasks]
    assert {task["node"] for task in tasks} == {"gpu-b"}
    until(lambda: all(node["status"] == "healthy" for node in drover.nodes()), "both nodes healthy again")
