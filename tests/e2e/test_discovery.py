"""What the fleet knows of its models outlives garbage, nodes that go away, and a restart with all of them down."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from orchestration.ollama.simulator import Herd, NodeSpec, run_in_thread
from tests.e2e.accessibility import serious
from tests.e2e.browsing import tab_to
from tests.e2e.herd import Drover, running_drover, until

pytestmark = pytest.mark.processes
MODELS = ("llama3.2:latest", "qwen3:8b")


@pytest.fixture
def twins() -> Iterator[Herd]:
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


def test_garbage_and_a_restart_with_all_nodes_down_lose_nothing(twins: Herd) -> None:
    with running_drover() as drover:
        drover.connect(twins)
        until(lambda: _all_models_are_known(drover), "the list of models")
        until(lambda: drover.api("GET", "models/llama3.2")["details"], "the details of the weights")
        twins.faults({"kind": "body", "path": "/api/tags", "message": '{"models": "none"}'}, node="gpu-a")
        drover.api("POST", "models/refresh")
        garbage = until(lambda: _node(_listed(drover), "gpu-a")["error"], "the garbage of gpu-a")
        assert "not a list" in garbage
        assert _all_models_are_known(drover)
        twins.nodes[0].clear_faults()
        until(lambda: not _node(_listed(drover), "gpu-a")["error"], "a good list of gpu-a")

        drover.kill("scheduler")
        before = _listed(drover)
        drover.kill("web")
        twins.stop()
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


PAGES = ("/models", "/models/llama3.2:latest", "/models/qwen3:4b", "/models/catalogue", "/models/no-such-model")


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
async def test_pages_of_models_shut_nobody_out(page: Any, drover: Drover, width: int, scheme: Any) -> None:
    await page.set_viewport_size({"width": width, "height": 844})
    await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    for path in PAGES:
        await page.goto(drover.url + path)
        assert await serious(page) == [], path
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert [words for words in page.said if "404" not in words] == [], path
        page.said.clear()


async def test_a_model_is_found_and_opened_by_keyboard_alone(page: Any, drover: Drover) -> None:
    await page.goto(f"{drover.url}/models/catalogue")
    await page.keyboard.press("/")
    await page.keyboard.type("qwen3 thinking")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/models/catalogue?q=qwen3*")
    await tab_to(page, "a[href='/models/qwen3:4b']")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("h1:text('qwen3:4b')")
    await tab_to(page, "input[name=node]")
    await page.keyboard.press("Space")
    await tab_to(page, "form[data-run] .btn--primary")
    assert await page.is_checked("input[name=node]")
