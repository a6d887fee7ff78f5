"""The page of outputs in a real browser: searched, read, rated, tagged and collected by keyboard alone."""

import asyncio
from typing import Any

import pytest

from tests.e2e.accessibility import serious
from tests.e2e.browsing import tab_to
from tests.e2e.herd import Drover, until

pytestmark = [pytest.mark.processes, pytest.mark.browser]

FISH = ("The red snapper is a **fish**.", "The blue tang is a fish.", "A kite is a bird.")


async def _count(page: Any, selector: str, least: int) -> None:
    for _ in range(2400):
        if await page.locator(selector).count() >= least:
            return
        await page.wait_for_timeout(50)
    raise AssertionError(f"{selector} never came")


def _kept(drover: Drover) -> list[int]:
    """Ids of answers that the search knows, the newest first."""
    ids = drover.submit(*(f"echo:{text}" for text in FISH), parameters={"num_predict": 60})
    drover.until_ended(*ids)
    until(lambda: set(ids) <= {row["id"] for row in drover.api("GET", "outputs")["outputs"]}, "answers in the search")
    return ids[::-1]


async def _text(page: Any, selector: str) -> str:
    return " ".join((await page.locator(selector).inner_text()).split())


async def test_an_answer_is_found_read_rated_tagged_and_collected_by_keyboard_alone(page: Any, drover: Drover) -> None:
    _, tang, snapper = await asyncio.to_thread(_kept, drover)
    await page.keyboard.press("g")
    await page.keyboard.press("u")
    await page.wait_for_url("**/outputs")
    await page.keyboard.press("/")
    await page.keyboard.type("fish")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/outputs?q=fish*")
    await tab_to(page, "[data-scroll]")
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await page.keyboard.press("k")
    first = int(await page.locator("[data-output][data-focus]").get_attribute("data-output"))
    assert first in (tang, snapper)
    await page.keyboard.press("Enter")
    await _count(page, f".reader__in[data-id='{first}']", 1)
    await page.keyboard.press("j")
    second = tang if first == snapper else snapper
    await _count(page, f".reader__in[data-id='{second}']", 1)
    assert f"open={second}" in page.url
    await page.keyboard.press("4")
    await _count(page, "[data-key=rate-4][aria-pressed=true]", 1)
    await _count(page, f"[data-output='{second}'] .stars", 1)
    await tab_to(page, "[data-reader] input[name=tags]")
    await page.keyboard.type("sea, food")
    await page.keyboard.press("Enter")
    await _count(page, f"[data-output='{second}'] .chip:has-text('food')", 1)
    await _count(page, "[data-reader] input[name=tags]:focus", 1)
    await tab_to(page, ".reader__colls input[name=name]")
    await page.keyboard.type("Best")
    await tab_to(page, ".reader__colls form:not(.chip) button")
    await page.keyboard.press("Enter")
    await _count(page, ".reader__colls a:has-text('Best')", 1)
    assert await page.evaluate("document.querySelector('[data-reader]').contains(document.activeElement)")
    found = await asyncio.to_thread(drover.api, "GET", f"outputs/{second}")
    assert (found["rating"], found["tags"]) == (4, ["food", "sea"])
    assert [each["name"] for each in found["collections"]] == ["Best"]
    await page.keyboard.press("Escape")
    await _count(page, "[data-reader][hidden]", 1)
    assert await page.evaluate("document.activeElement.closest('[data-output]')?.dataset.output") == str(second)
    await page.keyboard.press("x")
    assert await _text(page, "[data-selected-count]") == "1 selected"
    await page.goto(f"{drover.url}/outputs?tag=sea&rating=4")
    assert await page.locator("[data-output]").count() == 1
    await page.goto(f"{drover.url}/outputs?q=fish&open={second}")
    await _count(page, f".reader__in[data-id='{second}'] .stars, .reader__in[data-id='{second}'] .star--on", 1)
    assert page.said == []


async def test_a_key_that_is_typed_is_no_command(page: Any, drover: Drover) -> None:
    first, *_ = await asyncio.to_thread(_kept, drover)
    await page.goto(f"{drover.url}/outputs?open={first}")
    await tab_to(page, "[data-reader] textarea[name=note]")
    await page.keyboard.type("5 jokes, xo")
    assert await page.input_value("[data-reader] textarea[name=note]") == "5 jokes, xo"
    assert (await asyncio.to_thread(drover.api, "GET", f"outputs/{first}"))["rating"] is None
    assert await page.locator("[data-bulkbar]:not([hidden])").count() == 0


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_nothing_keeps_people_out(page: Any, drover: Drover, theme: str, width: int) -> None:
    first, *_ = await asyncio.to_thread(_kept, drover)
    await asyncio.to_thread(drover.api, "PATCH", f"outputs/{first}", json={"rating": 5, "tags": ["sea"]})
    name = f"{theme} {width}"
    collection = await asyncio.to_thread(drover.api, "POST", "collections", json={"name": name, "ids": [first]})
    await page.set_viewport_size({"width": width, "height": 844})
    await page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    for path in (
        "/outputs",
        f"/outputs?q=fish&rating=5&collection={collection['id']}&open={first}",
        "/outputs?q=whale",
        f"/outputs/{first}?q=kite",
        "/outputs/stats",
        "/settings/retention?look=1",
    ):
        await page.goto(drover.url + path)
        assert await serious(page) == [], path
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    assert page.said == []
