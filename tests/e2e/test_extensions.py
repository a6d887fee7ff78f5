"""A separate package, installed beside real processes: its task type, its agent extension and its router at work."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestration.ollama.simulator import Herd, NodeHandle
from tests.e2e.herd import Drover, running_drover, until

pytestmark = pytest.mark.processes

TEXT = "\n".join(f"Paragraph {number}: " + "the river rises and falls again. " * 12 for number in range(9))
PARTS = {"part_chars": 1500}


@pytest.fixture(scope="module")
def drover(herd: Herd, installed: Path) -> Iterator[Drover]:
    with running_drover(pythonpath=installed) as running:
        running.connect(herd, slots_per_model=32)
        yield running


def _digest(drover: Drover, text: str = TEXT, **fields: Any) -> int:
    (task_id,) = drover.submit(text, **{"type": "digest", "parameters": PARTS, **fields})
    return task_id


def _only_gpu_a(drover: Drover) -> None:
    for node in drover.nodes():
        drover.api("POST", f"nodes/{node['id']}/{'resume' if node['name'] == 'gpu-a' else 'drain'}")


def _agent(drover: Drover, name: str, **fields: Any) -> None:
    """An agent like the default one, with fields that its form has."""
    values = ", ".join(f"{field}={value!r}" for field, value in fields.items())
    drover.manage(
        "shell", "-c", f"from orchestration.models import Agent; Agent.objects.create(name={name!r}, {values})"
    )


def _ask(drover: Drover, agent: str, text: str) -> dict[str, Any]:
    body = {"agent_id": agent, "tasks": [{"type": "generate", "input": text}]}
    (task,) = drover.api("POST", "tasks", params={"wait": 60}, json=body)["tasks"]
    return drover.task(task["id"])


def test_the_task_type_runs_and_reports_its_progress(drover: Drover, herd: Herd) -> None:
    _only_gpu_a(drover)
    herd.node("gpu-a").configure(speed=1)
    task_id = _digest(drover)
    until(lambda: drover.task(task_id)["message"].startswith("part 2 of "), "a report of the second part")
    assert 0 < drover.task(task_id)["progress"] < 100
    herd.node("gpu-a").configure(speed=4)
    (task,) = drover.until_ended(task_id)
    assert (task["status"], task["type"], task["progress"]) == ("completed", "digest", 100)
    assert len(task["output"].split("\n\n")) >= 3
    assert task["metrics"]["output_tokens"] > 10
    assert task["model_used"] == "llama3.2:latest"


def test_it_can_be_named_as_the_handler_of_a_custom_task(drover: Drover) -> None:
    (task_id,) = drover.submit(TEXT, type="custom", parameters={"handler": "digest", "sentences": 1})
    (task,) = drover.until_ended(task_id)
    assert (task["status"], task["type"]) == ("completed", "digest")


def test_cancelled_it_leaves_the_node_and_the_others_go_on(drover: Drover, herd: Herd) -> None:
    _only_gpu_a(drover)
    node = herd.node("gpu-a")
    node.configure(speed=0.05)
    others = drover.submit(*(f"Other {n}" for n in range(3)), parameters={"num_predict": 20})
    until(lambda: _at_work(node) == 3, "the others at the node")
    task_id = _digest(drover)
    until(lambda: _at_work(node) == 4, "a part at the node")
    before = sum(node.state()["counts"]["disconnects"].values())
    drover.api("POST", f"tasks/{task_id}/cancel")
    until(lambda: sum(node.state()["counts"]["disconnects"].values()) > before, "a closed connection")
    node.configure(speed=4)
    (task,) = drover.until_ended(task_id)
    assert task["status"] == "cancelled"
    assert {each["status"] for each in drover.until_ended(*others)} == {"completed"}


def _at_work(node: NodeHandle) -> int:
    """Requests that the node is busy with."""
    return sum(node.state()["phases"][phase] for phase in ("slot", "queued", "prefill", "decode"))


def test_its_exception_is_its_own_tasks_alone(drover: Drover) -> None:
    others = drover.submit("One", "Two", parameters={"num_predict": 20})
    failed = _digest(drover, "")
    (task,) = drover.until_ended(failed)
    assert (task["status"], task["error_code"], task["attempts"]) == ("failed", "extension_failed", 1)
    assert "there is no text to make a digest of" in task["error"]
    assert {each["status"] for each in drover.until_ended(*others)} == {"completed"}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"type": "digets"}, "Did you mean digest?"),
        ({"parameters": {"sentences": 0}}, "sentences: 0 is less than the minimum of 1"),
    ],
)
def test_what_it_cannot_do_is_refused_when_it_is_submitted(drover: Drover, fields: dict[str, Any], words: str) -> None:
    task = {"type": "digest", "input": TEXT, **fields}
    answer = drover.api("POST", "tasks", expect=400, json={"tasks": [task]})
    assert words in answer["error"]["message"]


def test_the_agent_extension_hides_addresses_from_the_model(drover: Drover) -> None:
    _agent(drover, "discreet", extension="redact", models=["llama3.2:latest"])
    task = _ask(drover, "discreet", "echo: Write to ana@example.org and to bo@example.org, ana@example.org first.")
    assert task["output"] == "Write to ana@example.org and to bo@example.org, ana@example.org first."
    code = f"from orchestration.models import Attempt; print(Attempt.objects.get(task={task['id']}).request['prompt'])"
    asked = drover.manage("shell", "-c", code)
    assert "<address 1> and to <address 2>, <address 1> first" in asked
    assert "example.org" not in asked


def test_the_router_chooses_by_length_and_says_so(drover: Drover) -> None:
    for name, label in (("llama3.2:latest", "fast"), ("qwen3:8b", "strong")):
        drover.api("POST", "model-configs", json={"model_name": name, "labels": [label]})
    _agent(drover, "router", router="by-length", models=["llama3.2:latest", "qwen3:8b"])
    short, long = _ask(drover, "router", "Hello there."), _ask(drover, "router", "Compare these. " * 60)
    assert (short["model_used"], long["model_used"]) == ("llama3.2:latest", "qwen3:8b")


def test_the_doctor_lists_what_is_installed(drover: Drover) -> None:
    lines = drover.manage("doctor", "--url", drover.url)
    for words in ("task type digest", "agent extension redact", "router by-length"):
        assert f"{words} (drover-examples 1.0)" in lines
