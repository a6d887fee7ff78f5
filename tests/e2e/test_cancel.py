"""Cancelling one running task closes its stream in whatever phase it is, and leaves the others alone."""

import pytest

from orchestration.ollama.simulator import Herd, NodeHandle
from tests.e2e.herd import Drover, until

pytestmark = pytest.mark.processes
SECONDS = 5.0


def _cancelled_in(drover: Drover, node: NodeHandle, phase: str, task_id: int) -> None:
    before = node.state()["counts"]["disconnects"][phase]
    drover.api("POST", f"tasks/{task_id}/cancel")
    until(lambda: node.state()["counts"]["disconnects"][phase] > before, f"a disconnect in {phase}", SECONDS)
    (task,) = drover.until_ended(task_id)
    assert task["status"] == "cancelled"


def _only_on(drover: Drover, herd: Herd, name: str) -> NodeHandle:
    for node in drover.nodes():
        drover.api("POST", f"nodes/{node['id']}/{'resume' if node['name'] == name else 'drain'}")
    return herd.node(name)


def _free(drover: Drover, node: NodeHandle) -> None:
    """Nothing loaded, nothing running."""
    until(lambda: not any(node.state()["phases"].values()), "an idle node")


def test_while_decoding_and_the_others_go_on(drover: Drover, herd: Herd) -> None:
    node = _only_on(drover, herd, "gpu-a")
    others = drover.submit(*(f"Other {n}" for n in range(5)), parameters={"num_predict": 300})
    (task_id,) = drover.submit("To be cancelled.", parameters={"num_predict": 100_000})
    until(lambda: drover.task(task_id)["state"] == "generating", "generating")
    _cancelled_in(drover, node, "decode", task_id)
    assert {task["status"] for task in drover.until_ended(*others)} == {"completed"}


def test_while_the_prompt_is_read(drover: Drover, herd: Herd) -> None:
    node = _only_on(drover, herd, "gpu-a")
    drover.until_ended(*drover.submit("Warm up.", parameters={"num_predict": 1}))
    node.configure(speed=0.01)
    (task_id,) = drover.submit("word " * 2000, parameters={"num_predict": 5})
    until(lambda: node.state()["phases"]["prefill"] == 1, "prefill")
    _cancelled_in(drover, node, "prefill", task_id)
    node.configure(speed=4)


def test_while_its_model_is_loaded_and_the_load_goes_on_for_others(drover: Drover, herd: Herd) -> None:
    node = _only_on(drover, herd, "gpu-b")
    _free(drover, node)
    node.configure(speed=0.5)
    loaded, aborted = (node.state()["counts"][name] for name in ("loads_total", "aborted_loads"))
    (waiting,) = drover.submit("Triggers a load.", model_name="qwen3:8b")
    until(lambda: node.state()["phases"]["load"] == 1, "a load")
    assert drover.api("POST", f"tasks/{waiting}/cancel")["status"] == "cancelled"
    node.configure(speed=4)
    until(lambda: "qwen3:8b" in node.state()["models"] and not node.state()["loading"], "the end of the load")
    assert node.state()["counts"]["loads_total"] == loaded + 1
    assert node.state()["counts"]["aborted_loads"] == aborted


def test_while_it_queues_for_a_slot_inside_ollama(drover: Drover, herd: Herd) -> None:
    node = _only_on(drover, herd, "gpu-a")
    fast = {"num_predict": 100_000, "num_ctx": 8192}
    node.configure(slots=1)
    ids = drover.submit("Has the slot.", "Wants the slot.", parameters=fast)
    until(lambda: node.state()["phases"]["slot"] == 1, "a queue for the slot")
    (served,) = until(lambda: [pk for pk in ids if drover.task(pk)["state"] == "generating"], "generating")
    (queued,) = set(ids) - {served}
    _cancelled_in(drover, node, "slot", queued)
    drover.api("POST", f"tasks/{served}/cancel")
    drover.until_ended(*ids)
    node.configure(slots=32)


def test_a_waiting_task_is_cancelled_at_once(drover: Drover, herd: Herd) -> None:
    for node in drover.nodes():
        drover.api("POST", f"nodes/{node['id']}/drain")
    (task_id,) = drover.submit("Waits.")
    assert drover.api("POST", f"tasks/{task_id}/cancel")["status"] == "cancelled"
    drover.api("POST", f"tasks/{task_id}/cancel", expect=409)
    for node in drover.nodes():
        drover.api("POST", f"nodes/{node['id']}/resume")
