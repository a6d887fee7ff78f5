"""A node that fails whatever it is sent gets nothing for a while, and work again once the fault is gone."""

from typing import Any

import pytest

from orchestration.ollama.simulator import Herd
from tests.e2e.herd import Drover, running_drover, until

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def drover(herd: Herd):
    with running_drover(drover_circuit_faults=3, drover_circuit_seconds=2) as running:
        running.connect(herd, slots_per_model=4)
        yield running


def _node(drover: Drover, name: str) -> dict[str, Any]:
    return next(node for node in drover.nodes() if node["name"] == name)


def test_a_failing_nodes_circuit_opens_and_closes_when_the_fault_is_gone(drover: Drover, herd: Herd) -> None:
    (first,) = drover.until_ended(*drover.submit("Which node has the model?"))
    bad, good = first["node"], "gpu-b" if first["node"] == "gpu-a" else "gpu-a"
    herd.node(bad).faults({"kind": "server_error", "path": "/api/generate"}, replace=True)
    ids = drover.submit(*(f"Refugee {n}" for n in range(8)))
    opened = until(lambda: [it for it in [_node(drover, bad)] if it["circuit"] != "closed"], "an open circuit")[0]
    assert "failures in a row: " in opened["circuit_words"]
    tasks = drover.until_ended(*ids)
    assert {(task["status"], task["node"]) for task in tasks} == {("completed", good)}
    failed = [attempt for task in tasks for attempt in task["attempt_list"] if attempt["status"] == "failed"]
    assert failed
    assert {(attempt["node"], attempt["error_code"], attempt["node_fault"]) for attempt in failed} == {
        (bad, "refused", True)
    }
    assert all(attempt["follow_up"].startswith("Tried again after ") for attempt in failed)

    herd.node(bad).clear_faults()
    drover.api("POST", f"nodes/{good}/drain")
    tasks = drover.until_ended(*drover.submit("Is it well again?", "And now?", "And now?"))
    assert {(task["status"], task["node"]) for task in tasks} == {("completed", bad)}
    until(lambda: _node(drover, bad)["circuit"] == "closed", "a closed circuit")
    drover.api("POST", f"nodes/{good}/resume")


def test_a_circuit_is_closed_by_hand(drover: Drover, herd: Herd) -> None:
    for node in herd.nodes:
        node.faults({"kind": "server_error", "path": "/api/generate"}, replace=True)
    drover.until_ended(*drover.submit(*(f"Doomed {n}" for n in range(6)), max_tries=2))
    bad = until(lambda: [it for it in drover.nodes() if it["faults"]], "faults")[0]
    for node in herd.nodes:
        node.clear_faults()
    answer = drover.api("POST", f"nodes/{bad['id']}/reset-circuit")
    assert (answer["circuit"], answer["faults"]) == ("closed", 0)
