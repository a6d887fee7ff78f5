"""What a benchmark reports of a server whose speed is known, and its pages by keyboard in a real browser."""

from collections.abc import Iterator
from typing import Any

import pytest

from orchestration.ollama.simulator import Herd, NodeSpec, run_in_thread
from orchestration.ollama.simulator.catalogue import look_up
from orchestration.ollama.simulator.decoder import BETA, PREFILL_GAIN
from tests.e2e.accessibility import serious
from tests.e2e.browsing import tab_to
from tests.e2e.herd import Drover, running_drover, until

pytestmark = pytest.mark.processes

MODEL = "llama3.2:latest"
SPEED = 0.5
CLOSE = 0.05


@pytest.fixture(scope="module")
def herd() -> Iterator[Herd]:
    specs = [NodeSpec(name="gpu-a", models=(MODEL, "qwen3:0.6b"), slots=4, vram_gb=24, speed=SPEED)]
    handle = run_in_thread(specs)
    yield handle
    handle.stop()


@pytest.fixture(scope="module")
def drover(herd: Herd) -> Iterator[Drover]:
    with running_drover() as running:
        running.connect(herd, slots_per_model=4)
        yield running


def _ended(drover: Drover, run_id: int) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = drover.api("GET", f"benchmarks/{run_id}")
        return found if found["report"]["complete"] else None

    return until(look, f"the end of benchmark {run_id}", 180)  # type: ignore[return-value]


def test_speeds_are_those_of_the_server_and_the_load_stands_apart(drover: Drover) -> None:
    """Of a stream alone and of four together; the server's own arithmetic says what they must be."""
    spec = look_up(MODEL)
    assert spec is not None
    alone = spec.decode_rate * SPEED
    body = {
        "models": [MODEL],
        "prompt_set": "mixed",
        "concurrency": [1, 4, 8],
        "repeats": 2,
        "rounds": 1,
        "num_predict": 64,
    }
    started = drover.api("POST", "benchmarks", 202, json=body)
    assert started["spec"]["left_out"] == [f"8 at once with {MODEL} on gpu-a: gpu-a has 4 slots a model."]
    found = _ended(drover, started["id"])
    report = found["report"]
    cells = {(cell["prompt"], cell["concurrency"]): cell for cell in report["cells"]}
    assert set(cells) == {(prompt, level) for prompt in ("128 tokens", "1,024 tokens") for level in (1, 4)}
    assert all(cell["errors"] == cell["reloads"] == 0 for cell in cells.values())
    for prompt in ("128 tokens", "1,024 tokens"):
        assert cells[prompt, 1]["decode_rate"]["median"] == pytest.approx(alone, rel=CLOSE)
        assert cells[prompt, 1]["output_tokens"] == 64
    together = alone / (1 + BETA * 3)
    assert cells["128 tokens", 4]["decode_rate"]["median"] == pytest.approx(together, rel=CLOSE)
    assert cells["1,024 tokens", 1]["prefill_rate"]["median"] == pytest.approx(alone * PREFILL_GAIN, rel=CLOSE)
    assert cells["128 tokens", 4]["at_once"] > 3.5
    (load,) = report["loads"]
    assert load["was_loaded"] is False
    assert load["seconds"] > 1.5
    first = cells["128 tokens", 1]["first_token_seconds"]
    assert first["p95"] < load["seconds"] / 2
    (place,) = found["places"]
    assert place["digest"]
    assert place["ollama_version"]


def test_a_second_run_finds_the_model_loaded_and_a_slower_server_a_regression(drover: Drover, herd: Herd) -> None:
    body = {"models": ["qwen3:0.6b"], "concurrency": [1], "repeats": 3, "rounds": 1, "num_predict": 48}
    first = _ended(drover, drover.api("POST", "benchmarks", 202, json=body)["id"])
    herd.nodes[0].configure(speed=SPEED / 2)
    second = _ended(drover, drover.api("POST", f"benchmarks/{first['id']}/again", 202)["id"])
    herd.nodes[0].configure(speed=SPEED)
    report = second["report"]
    assert report["loads"][0]["was_loaded"] is True
    assert report["compared_with"] == first["id"]
    decode = next(drift for drift in report["drifts"] if drift["figure"] == "decode_rate")
    assert decode["percent"] == pytest.approx(-50, abs=10)
    assert decode["regressed"] is True


async def _come(page: Any, selector: str, least: int = 1, seconds: int = 90) -> None:
    for _ in range(seconds * 20):
        if await page.locator(selector).count() >= least:
            return
        await page.wait_for_timeout(50)
    raise AssertionError(f"{selector} never came")


async def _clean_in_both_themes(page: Any) -> None:
    for theme in ("light", "dark"):
        await page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        assert await serious(page) == [], theme


@pytest.mark.browser
async def test_models_are_compared_and_voted_on_blind_by_keyboard_alone(page: Any, drover: Drover) -> None:
    await page.goto(f"{drover.url}/compare")
    await _clean_in_both_themes(page)
    await tab_to(page, "textarea[name=prompts]")
    await page.keyboard.type("Say hello to the team.")
    for number, letters in ((1, "lla"), (2, "qwe")):
        await tab_to(page, f"select[name=model_{number}]")
        await page.keyboard.type(letters)
    await tab_to(page, "input[name=num_predict]")
    await page.keyboard.type("80")
    await page.keyboard.press("Control+Enter")
    await page.wait_for_url("**/compare/*")
    await _come(page, ".answer .state[data-state=completed]", 2)
    await _come(page, "[data-region=acts] .state[data-state=completed]")
    texts = await page.locator("[data-stream]").all_inner_texts()
    assert all(len(text) > 40 for text in texts)
    await _clean_in_both_themes(page)
    await tab_to(page, "a[href*='blind=1']")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**blind=1")
    await _come(page, "h3:text('Answer A')")
    assert MODEL not in await page.inner_text("main")
    await _clean_in_both_themes(page)
    await tab_to(page, "[data-key^='vote-']")
    await page.keyboard.press("Enter")
    await _come(page, "h3:has-text('A \u00b7')")
    assert MODEL in await page.inner_text("main")
    await tab_to(page, "a[href*='diff=1']")
    await page.keyboard.press("Enter")
    await _come(page, ".words ins", 2)
    await _clean_in_both_themes(page)
    assert page.said == []


@pytest.mark.browser
async def test_a_benchmark_is_started_and_fills_in_by_keyboard_alone(page: Any, drover: Drover) -> None:
    await page.goto(f"{drover.url}/bench")
    await _clean_in_both_themes(page)
    await tab_to(page, "input[name=models][value='qwen3:0.6b']")
    await page.keyboard.press("Space")
    for name, value in (("repeats", "1"), ("rounds", "1"), ("num_predict", "40")):
        await tab_to(page, f"input[name={name}]")
        await page.keyboard.press("Control+A")
        await page.keyboard.type(value)
    await page.keyboard.press("Control+Enter")
    await page.wait_for_url("**/bench/*")
    await _clean_in_both_themes(page)
    await _come(page, ".heat [data-shade]", 3)
    await _come(page, "[data-region=state] .state[data-state=completed]")
    await _come(page, ".curve svg circle", 3)
    await page.keyboard.press("t")
    await _come(page, "[data-charts=table]")
    assert await page.locator(".curve .table").first.is_visible()
    await _clean_in_both_themes(page)
    await page.set_viewport_size({"width": 390, "height": 844})
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.said == []
