"""What the fleet knows of its models outlives garbage, nodes that go away, and a restart with all of them down."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from orchestration.ollama.simulator import Herd, NodeSpec, run_in_thread
from tests.e2e.herd import Drover, running_drover, until

pytestmark = pytest.mark.processes
MODELS = ("llama3.2:latest", "qwen3:8b")


@pytest.fixture
def herd() -> Iterator[Herd]:
    handle = run_in_thread([NodeSpec(name=name, models=MODELS) for name in ("gpu-a", "gpu-b")])
    yield handle
    handle.stop()


def _listed(drover: Drover) -> dict[str, Any]:
    return dict(drover.api("GET", "models"))


def _names(answer: dict[str, Any]) -> list[str]:
    return sorted(variant["name"] for group in answer["models"] for variant in group["variants"])


def _node(answer: dict[str, Any], name: str) -> dict[str, Any]:
    return next(node for node in answer["listing"]["nodes"] if node["node"] == name)


def _all_models_are_known(drover: Drover) -> bool:
    answer = _listed(drover)
    everywhere = [v["installed_on"] == ["gpu-a", "gpu-b"] for group in answer["models"] for v in group["variants"]]
    return len(everywhere) == len(MODELS) and all(everywhere)


def test_garbage_and_a_restart_with_all_nodes_down_lose_nothing(herd: Herd) -> None:
    with running_drover() as drover:
        drover.connect(herd)
        until(lambda: _all_models_are_known(drover), "the list of models")
        until(lambda: drover.api("GET", "models/llama3.2")["details"], "the details of the weights")
        herd.faults({"kind": "body", "path": "/api/tags", "message": '{"models": "none"}'}, node="gpu-a")
        drover.api("POST", "models/refresh")
        garbage = until(lambda: _node(_listed(drover), "gpu-a")["error"], "the garbage of gpu-a")
        assert "not a list" in garbage
        assert _all_models_are_known(drover)
        herd.nodes[0].clear_faults()
        until(lambda: not _node(_listed(drover), "gpu-a")["error"], "a good list of gpu-a")

        drover.kill("scheduler")
        before = _listed(drover)
        drover.kill("web")
        herd.stop()
        drover.start("web")
        until(lambda: _site_answers(drover), "a site that answers")
        after = _listed(drover)
        assert after["models"] == before["models"]
        assert [node["listed_at"] for node in after["listing"]["nodes"]] == [
            node["listed_at"] for node in before["listing"]["nodes"]
        ]

        drover.start("scheduler")
        until(lambda: all(node["status"] == "unhealthy" for node in drover.nodes()), "nodes that are seen to be down")
        last = _listed(drover)
        assert _names(last) == sorted(MODELS)
        assert all(node["error"] and node["words"].startswith("as of") for node in last["listing"]["nodes"])
        assert not any(node["reachable"] for node in last["listing"]["nodes"])


def _site_answers(drover: Drover) -> bool:
    """Without a scheduler it is not healthy."""
    try:
        return drover.client.get("/healthz").status_code in (200, 503)
    except httpx.TransportError:
        return False
