"""Batches in real processes and a real browser: counts that sum up at every moment, each row with its own answer."""

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from orchestration.ollama.simulator import Herd, NodeSpec, run_in_thread
from tests.e2e.accessibility import serious
from tests.e2e.browsing import tab_to
from tests.e2e.herd import Drover, running_drover, until

pytestmark = pytest.mark.processes

ROWS = 300
SHOWN = """() => {
  const figure = (element) => Number(element.textContent.replaceAll(",", ""));
  const counts = [...document.querySelectorAll("[data-count]")].map((each) => [each.dataset.count, figure(each)]);
  return {total: figure(document.querySelector("[data-rows-total]")), counts: Object.fromEntries(counts)};
}"""
ANSWERED = "document.querySelectorAll('[data-table] [data-kind=output]').length"


@pytest.fixture(scope="module")
def herd() -> Iterator[Herd]:
    models = ("llama3.2:latest", "nomic-embed-text:latest")
    handle = run_in_thread([NodeSpec(name=name, models=models, slots=16, vram_gb=48, speed=8.0) for name in ("a", "b")])
    yield handle
    handle.stop()


@pytest.fixture(scope="module")
def drover(herd: Herd) -> Iterator[Drover]:
    with running_drover(drover_embed_rows=16) as running:
        running.connect(herd, slots_per_model=16)
        running.api("PUT", "agents/default", json={"config": {"max_concurrent_tasks": 64}})
        yield running


def _csv(rows: int) -> str:
    return "id,Review text\n" + "".join(f'c{number},"echo:Row {number}, it\nworks"\n' for number in range(rows))


def _send(drover: Drover, **fields: Any) -> int:
    body = {
        "text": _csv(ROWS),
        "template": "{{Review_text}}",
        "columns": {"client_ref": "id"},
        "model_name": "llama3.2",
    }
    return int(drover.api("POST", "batches", json={**body, **fields})["id"])


def _state(drover: Drover, run_id: int) -> dict[str, Any]:
    state: dict[str, Any] = drover.api("GET", f"batches/{run_id}")
    assert sum(state["counts"].values()) == state["rows"], state
    return state


def _ended(drover: Drover, run_id: int) -> bool:
    counts = _state(drover, run_id)["counts"]
    return not counts["pending"] and not counts["running"]


def _exported(drover: Drover, run_id: int) -> list[dict[str, Any]]:
    text = drover.client.get(f"/api/orchestration/runs/{run_id}/export").text
    return [json.loads(line) for line in text.split("\n") if line]


def test_counts_sum_up_at_every_look_and_each_row_gets_its_own_answer(drover: Drover) -> None:
    run_id = _send(drover)
    until(lambda: _ended(drover, run_id), f"the end of batch {run_id}")
    assert _state(drover, run_id)["counts"]["completed"] == ROWS
    rows = _exported(drover, run_id)
    assert [row["client_ref"] for row in rows] == [f"c{number}" for number in range(ROWS)]
    assert all(f"Row {number}, it" in row["output"] for number, row in enumerate(rows))
    stored = {task["id"]: task["output"] for task in drover.api("GET", f"runs/{run_id}")["tasks"]}
    assert {row["task_id"]: row["output"] for row in rows} == stored


def test_a_batch_is_paused_goes_on_within_its_limit_and_its_rest_is_cancelled(drover: Drover) -> None:
    run_id = _send(drover, max_parallel=2, parameters={"num_predict": 400}, template="Tell me of {{id}}.")
    until(lambda: _state(drover, run_id)["counts"]["completed"] > 2, "a few rows")
    assert _state(drover, run_id)["counts"]["running"] <= 2
    drover.api("POST", f"runs/{run_id}/pause")
    until(lambda: _all_held(_state(drover, run_id)), "what had a slot has ended")
    paused = _state(drover, run_id)
    assert paused["status"] == "paused"
    drover.api("POST", f"runs/{run_id}/resume")
    until(lambda: _state(drover, run_id)["counts"]["completed"] > paused["counts"]["completed"], "another row")
    drover.api("POST", f"runs/{run_id}/cancel")
    until(lambda: _ended(drover, run_id), "the rest is cancelled")
    assert _state(drover, run_id)["counts"]["cancelled"] > 0


def _all_held(state: dict[str, Any]) -> bool:
    """What had been given a slot when the run was paused still starts."""
    return bool(state["counts"]["running"] == 0 and state["held"] == state["counts"]["pending"])


def test_a_batch_stops_when_too_much_of_it_fails_and_is_taken_up_again(drover: Drover, herd: Herd) -> None:
    for node in herd.nodes:
        node.configure(speed=0.02)
    run_id = _send(drover, stop_failed_percent=10, timeout_seconds=1, max_parallel=16)
    until(lambda: _ended(drover, run_id), "it stops")
    state = _state(drover, run_id)
    assert state["counts"]["cancelled"] > 0, state
    assert "more than the 10 %" in state["stopped_reason"]
    assert sum(group["rows"] for group in state["failures"]) == state["counts"]["failed"]
    for node in herd.nodes:
        node.configure(speed=8)
    drover.api("PATCH", f"runs/{run_id}", expect=409, json={"stop_failed_percent": None})
    drover.api("POST", f"runs/{run_id}/retry")
    until(lambda: _state(drover, run_id)["counts"]["completed"] == ROWS, "all of it in the end")


def test_rows_to_embed_share_calls_and_come_back_one_by_one(drover: Drover) -> None:
    fields = {"type": "embed", "model_name": "nomic-embed-text", "template": "{{id}}"}
    run_id = _send(drover, **fields)
    until(lambda: _ended(drover, run_id), "the end of the embeddings")
    state = _state(drover, run_id)
    assert (state["rows"], state["calls"]) == (ROWS, -(-ROWS // 16))
    rows = _exported(drover, run_id)
    dimensions = len(rows[0]["embedding"])
    assert [len(row["embedding"]) for row in rows] == [dimensions] * ROWS
    array = drover.client.get(f"/api/orchestration/runs/{run_id}/export?format=npy").content
    assert f"({ROWS}, {dimensions})".encode() in array[:128]
    assert len(array) == 128 + 4 * ROWS * dimensions
    done = drover.api("POST", "batches/preview", json={"text": _csv(ROWS), "columns": {"client_ref": "id"}, **fields})
    assert done["done"] == {"rows": ROWS, "runs": [run_id]}


async def _until(page: Any, expression: str, what: str) -> Any:
    for _ in range(2400):
        if found := await page.evaluate(expression):
            return found
        await page.wait_for_timeout(50)
    raise AssertionError(f"{what} did not happen")


@pytest.mark.browser
async def test_a_batch_is_pasted_tried_started_and_followed_by_keyboard_alone(page: Any, drover: Drover) -> None:
    await page.keyboard.press("g")
    await page.keyboard.press("b")
    await page.wait_for_url(f"{drover.url}/batches")
    assert await serious(page) == []
    await tab_to(page, "a[href='/batches/new']")
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{drover.url}/batches/new")
    await page.keyboard.insert_text(_csv(60))
    await tab_to(page, "[data-insert='{{Review_text}}']")
    await page.keyboard.press("Enter")
    await _until(page, "document.querySelectorAll('.samples > li').length === 3", "the preview")
    assert await serious(page) == []
    await tab_to(page, "[data-dry]")
    await page.keyboard.press("Enter")
    await _until(
        page, "document.querySelectorAll('[data-dry-run] [data-state=completed][data-row]').length === 5", "5 rows"
    )
    assert "Row 4, it" in await page.inner_text("[data-dry-run] tbody tr:nth-child(5)")
    await page.keyboard.press("Control+Enter")
    await page.wait_for_url(re.compile(r"/batches/\d+$"))
    await _until(page, f"{ANSWERED} === 50", "all answers of the first page")
    await _until(page, "document.querySelector('[data-count=completed]').textContent === '60'", "the last count")
    assert await serious(page) == []
    await page.keyboard.press("]")
    await page.wait_for_url("**/batches/*cursor=*")
    await _until(page, f"{ANSWERED} === 10", "the second page")
    assert page.said == []


@pytest.mark.browser
async def test_the_page_sums_up_while_rows_end_and_its_controls_work(page: Any, drover: Drover) -> None:
    run_id = await asyncio.to_thread(
        _send, drover, max_parallel=4, parameters={"num_predict": 60}, template="Of {{id}}."
    )
    await page.goto(f"{drover.url}/batches/{run_id}")
    for _ in range(20):
        shown = await page.evaluate(SHOWN)
        assert sum(shown["counts"].values()) == shown["total"] == ROWS, shown
        await page.wait_for_timeout(100)
    await tab_to(page, "input[name=max_parallel]")
    await page.keyboard.press("Control+A")
    await page.keyboard.type("16")
    await page.keyboard.press("Enter")
    await _until(page, "document.querySelector('.toast')?.textContent.includes('limits are changed')", "the new limit")
    assert (await asyncio.to_thread(_state, drover, run_id))["max_parallel"] == 16
    await page.click("[data-key=pause]")
    await _until(page, "document.querySelector('[data-region=head] .state__word').textContent === 'paused'", "a pause")
    await page.click("[data-key=pause]")
    await _until(page, "document.querySelector('[data-region=head] .state__word').textContent === 'running'", "more")
    await page.keyboard.press("Escape")
    await page.keyboard.press("Backspace")
    await page.click("#confirm [data-confirm-yes]")
    await _until(page, "document.querySelector('[data-count=pending]').textContent === '0'", "the end of what waited")
    assert page.said == []


@pytest.mark.browser
@pytest.mark.parametrize("width", [1440, 390])
async def test_no_page_violates_the_content_policy_or_is_wider_than_the_screen(
    page: Any, drover: Drover, width: int
) -> None:
    run_id = await asyncio.to_thread(_send, drover)
    await asyncio.to_thread(until, lambda: _ended(drover, run_id), "its end")
    await page.set_viewport_size({"width": width, "height": 844})
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        for path in ("/batches", "/batches/new", f"/batches/{run_id}", f"/batches/{run_id}?status=failed"):
            await page.goto(drover.url + path)
            assert page.said == [], path
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
            assert await serious(page) == [], path
