"""The figures of the load topic against the simulator's own truth."""

import pytest

from orchestration.ollama.simulator import Herd
from tests.e2e.herd import Drover, until
from tests.e2e.sockets import latest_sample

pytestmark = pytest.mark.processes


def _truth(herd: Herd) -> dict[str, tuple[int, dict[str, int]]]:
    """By node: requests in flight, and the video memory of each resident model."""
    states = herd.state()
    return {
        name: (
            sum(model["running"] + model["waiting"] for model in state["models"].values()),
            {model: facts["vram_bytes"] for model, facts in state["models"].items()},
        )
        for name, state in states.items()
    }


def _seen(sample: dict) -> dict[str, tuple[int, dict[str, int]]]:
    return {
        node["name"]: (node["running"], {model["name"]: model["vram_bytes"] for model in node["models"]})
        for node in sample["nodes"]
    }


def _true_speed(herd: Herd) -> int:
    """Tokens in the last second; never satisfied by a herd that stands still."""
    models = [model for state in herd.state().values() for model in state["models"].values()]
    return sum(model["tokens_last_second"] for model in models) or -1


def _speed(sample: dict) -> float | None:
    return sample["totals"]["tokens_per_second"]


def test_running_resident_models_and_memory_agree_with_the_nodes(drover: Drover, herd: Herd) -> None:
    ids = drover.submit(*(f"Long {n}" for n in range(12)), parameters={"num_predict": 3000})
    drover.until_running(*ids)
    until(lambda: _seen(latest_sample(drover)) == _truth(herd), "agreement", 15)
    until(lambda: _speed(latest_sample(drover)) == pytest.approx(_true_speed(herd), rel=0.3), "the same speed", 15)
    assert latest_sample(drover)["totals"]["running"] == 12
    for task_id in ids:
        drover.api("POST", f"tasks/{task_id}/cancel")
    drover.until_ended(*ids)


def test_waiting_is_what_waits_in_drover(drover: Drover, herd: Herd) -> None:
    for node in drover.nodes():
        drover.api("POST", f"nodes/{node['id']}/drain")
    ids = drover.submit("one", "two", "three")
    until(lambda: latest_sample(drover)["totals"]["waiting"] == 3, "three waiting", 15)
    for node in drover.nodes():
        drover.api("POST", f"nodes/{node['id']}/resume")
    drover.until_ended(*ids)
    until(lambda: latest_sample(drover)["totals"]["waiting"] == 0, "none waiting", 15)


def test_what_nobody_knows_is_null_never_zero(drover: Drover, herd: Herd) -> None:
    herd.node("gpu-b").faults({"kind": "die"})

    def unknown() -> bool:
        node = next(node for node in latest_sample(drover)["nodes"] if node["name"] == "gpu-b")
        return node["status"] == "unhealthy" and node["vram_used_bytes"] is None and node["slots"] is None

    until(unknown, "an unknown memory", 20)
    herd.node("gpu-b").clear_faults()
    until(lambda: all(node["status"] == "healthy" for node in drover.nodes()), "both nodes healthy again")
