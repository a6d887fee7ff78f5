"""A model is pulled to three nodes at once, while pages are reloaded and processes are restarted."""

import asyncio
import signal
import threading
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from orchestration.ollama.simulator import Fault, Herd, ModelSpec, NodeSpec, run_in_thread
from tests.e2e.accessibility import serious
from tests.e2e.browsing import logged_in, tab_to
from tests.e2e.herd import Drover, running_drover, until

pytestmark = [pytest.mark.processes, pytest.mark.browser]

MODEL, SIZE = "alpaca:latest", 1_000_000_000
SLOW, FAST = 0.002, 0.2
"""Gigabytes a second: in minutes hardly anything comes, and then the rest in seconds."""
SPEC = ModelSpec(MODEL, size=SIZE, family="llama", parameter_size="1B")


@pytest.fixture(scope="module")
def herd() -> Iterator[Herd]:
    names = ("gpu-a", "gpu-b", "gpu-c")
    handle = run_in_thread([NodeSpec(name=name, known={MODEL: SPEC}, pull_gb_per_second=SLOW) for name in names])
    yield handle
    handle.stop()


@pytest.fixture(scope="module")
def drover(herd: Herd) -> Iterator[Drover]:
    with running_drover() as running:
        running.connect(herd)
        yield running


class Watcher:
    """Asks for the bytes of all pulls again and again, whether or not anybody answers."""

    def __init__(self, drover: Drover) -> None:
        self.seen: dict[int, list[int]] = defaultdict(list)
        self._client = httpx.Client(base_url=drover.url, headers=dict(drover.client.headers), timeout=30)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._stop.wait(0.1):
            try:
                answer = self._client.get("/api/orchestration/pulls")
            except httpx.TransportError:
                continue
            for pull in answer.json()["pulls"] if answer.is_success else ():
                self.seen[pull["task_id"]].append(pull["done_bytes"])

    def __enter__(self) -> "Watcher":
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._stop.set()
        self._thread.join()
        self._client.close()


def pulls(drover: Drover) -> dict[str, dict[str, Any]]:
    return {pull["node"]: pull for pull in drover.api("GET", "pulls")["pulls"]}


def until_all_get_on(drover: Drover, attempts: int) -> None:
    """Each is in this attempt and has more than before."""
    before = {node: pull["done_bytes"] for node, pull in pulls(drover).items()}

    def get_on() -> bool:
        now = pulls(drover)
        running = all(
            pull["status"] == "running" and drover.task(pull["task_id"])["attempts"] >= attempts
            for pull in now.values()
        )
        return running and all(pull["done_bytes"] > before[node] for node, pull in now.items())

    until(get_on, f"bytes on every node in attempt {attempts}")


async def shown(page: Any, *parts: str) -> None:
    """Waits until all of it stands on the page."""
    for part in parts:
        await page.get_by_text(part, exact=False).first.wait_for()


async def percents_on(page: Any) -> list[int]:
    """Of the three cells of the matrix, once each shows its bytes."""
    cells = page.locator("[data-cell] [data-f=words]", has_text="of 1.0 GB")
    await cells.nth(2).wait_for()
    return [int(words.split()[0]) for words in await page.locator("[data-cell] [data-f=percent]").all_inner_texts()]


async def test_three_pulls_of_which_one_drops_and_one_is_cancelled_end_right_whatever_is_reloaded_and_restarted(
    drover: Drover, herd: Herd, browser: Any
) -> None:
    nodes = {node.name: node for node in herd.nodes}
    page = await logged_in(browser, drover)
    with Watcher(drover) as watcher:
        run = await asyncio.to_thread(drover.api, "POST", "models/pull", json={"model": MODEL, "nodes": "all"})
        tasks = {task["title"].rpartition(" ")[2]: task["id"] for task in run["tasks"]}
        await asyncio.to_thread(until_all_get_on, drover, 1)

        await page.goto(f"{drover.url}/matrix")
        first = await percents_on(page)
        await page.reload()
        second = await percents_on(page)
        await asyncio.to_thread(restart, drover, nodes["gpu-b"])
        await asyncio.to_thread(until_all_get_on, drover, 2)
        await page.reload()
        third = await percents_on(page)
        assert first <= second <= third

        await cancelled_by_hand(page, drover, tasks["gpu-c"])
        await asyncio.to_thread(until, lambda: not listeners(nodes["gpu-c"]), "a closed stream")
        for name in ("gpu-a", "gpu-b"):
            nodes[name].configure(pull_gb_per_second=FAST)
        ended = await asyncio.to_thread(drover.until_ended, *tasks.values())
        await page.goto(f"{drover.url}/tasks/{tasks['gpu-b']}")
        await shown(page, "completed", "100 %", "since the last try")

    assert [task["status"] for task in ended] == ["completed", "completed", "cancelled"]
    whole, dropped, _ = ended
    assert outcomes(whole) == ["given_back", ""]
    assert outcomes(dropped) == ["given_back", "stream_failed", ""]
    final = pulls(drover)
    assert final["gpu-a"]["done_bytes"] == final["gpu-b"]["done_bytes"] == final["gpu-a"]["total_bytes"]
    assert 0 < final["gpu-c"]["done_bytes"] < SIZE * 0.4
    assert all(seen == sorted(seen) for seen in watcher.seen.values())
    assert {max(seen) for task, seen in watcher.seen.items() if task == tasks["gpu-b"]} == {
        final["gpu-b"]["done_bytes"]
    }
    assert holders(drover) == ["gpu-a", "gpu-b"]


def restart(drover: Drover, dropping: Any) -> None:
    """Web and worker, of which the worker gives back what it has. The node's next download breaks off at 40 %."""
    drover.kill("worker-0", signal.SIGTERM)
    drover.kill("web")
    dropping.faults(Fault("pull_drop", percent=40, count=1))
    for name in ("web", "worker-0"):
        drover.start(name)
    until(drover.healthy, "health")


async def test_the_matrix_is_worked_by_keyboard_alone_and_keeps_nobody_out(
    drover: Drover, herd: Herd, browser: Any
) -> None:
    page = await logged_in(browser, drover)
    await page.goto(f"{drover.url}/matrix")
    await page.locator("[data-cell]").first.wait_for()
    assert await serious(page) == []
    await tab_to(page, "input[name=cells]")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("Space")
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("Space")
    await page.locator("[data-chosen]", has_text="2 selected").wait_for()
    places = [box.partition(":") for box in await checked(page)]
    await tab_to(page, "button[value=pin]", "Shift+Tab")
    await page.keyboard.press("Enter")
    await page.locator("[data-cell]", has_text="pinned").nth(1).wait_for()
    pinned = {
        (str(node["id"]), model["name"]) for node in drover.nodes() for model in node["models"] if model["pinned"]
    }
    assert pinned == {(node, model) for node, _, model in places}
    await page.goto(f"{drover.url}/tasks?type=pull")
    link = page.locator("a[data-f=title]").first
    if await link.count():
        await link.click()
        await page.locator("[data-page=errand]").wait_for()
        assert await serious(page) == []
    assert page.said == []


async def checked(page: Any) -> list[str]:
    found: list[str] = await page.evaluate("[...document.querySelectorAll('[name=cells]:checked')].map(b => b.value)")
    return found


async def cancelled_by_hand(page: Any, drover: Drover, task_id: int) -> None:
    await page.goto(f"{drover.url}/tasks/{task_id}")
    await page.click("[data-region=actions] [data-key=cancel]")
    await page.locator("[data-region=state] [data-state=cancelled]").wait_for()


def listeners(node: Any) -> int:
    return sum(download["listeners"] for download in node.state()["downloads"])


def outcomes(task: dict[str, Any]) -> list[str]:
    """The error of each attempt that a worker has begun, the first one first."""
    codes = [attempt["error_code"] or "" for attempt in reversed(task["attempt_list"])]
    return [code for code in codes if code != "never_started"]


def holders(drover: Drover) -> list[str]:
    return sorted(node["name"] for node in drover.nodes() if MODEL in {model["name"] for model in node["models"]})
