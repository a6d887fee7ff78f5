"""Load over time in a browser: ranges, zoom by keyboard and by dragging, and the same numbers as a table."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.e2e.accessibility import serious
from tests.e2e.browsing import tab_to
from tests.e2e.herd import Drover, until

pytestmark = [pytest.mark.processes, pytest.mark.browser]


def _ended(drover: Drover) -> int:
    (series,) = drover.api("GET", "load/history?range=1h")["series"]
    return int(series["whole"]["ended"])


def _query(page: Any) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


async def _shown(page: Any, seen: dict[str, list[str]] | None = None) -> dict[str, list[str]]:
    """Once the address is another one and its charts are drawn."""
    for _ in range(600):
        if _query(page) != (seen or {}) and await page.locator("[data-history][aria-busy=false]").count():
            return _query(page)
        await page.wait_for_timeout(50)
    raise AssertionError(f"still {page.url}")


async def _drag_over(page: Any, selector: str) -> None:
    box = await page.locator(selector).first.bounding_box()
    y = box["y"] + box["height"] / 2
    await page.mouse.move(box["x"] + box["width"] * 0.4, y)
    await page.mouse.down()
    await page.mouse.move(box["x"] + box["width"] * 0.9, y, steps=5)
    await page.mouse.up()


async def test_a_range_is_chosen_zoomed_into_and_read_as_a_table(page: Any, drover: Drover) -> None:
    drover.until_ended(*drover.submit("one", "two", "three", parameters={"num_predict": 20}))
    until(lambda: _ended(drover) == 3, "the history of three tasks")
    await page.goto(f"{drover.url}/load")
    await page.wait_for_selector("[data-history][aria-busy=false]")
    await page.click("[data-range-set='1h']")
    hour = await _shown(page)
    assert hour == {"range": ["1h"]}
    await page.wait_for_selector("[data-range-set='1h'][aria-pressed=true]")
    await page.wait_for_selector("[data-whole] :text('3')")

    await page.keyboard.press("t")
    table = page.locator("section.hchart:has-text('Tries that ended') table")
    assert await page.locator("[data-as-table]").get_attribute("aria-pressed") == "true"
    fine = await table.locator("tbody tr td:last-child").all_text_contents()
    assert sum(int(each) for each in fine if each.isdigit()) == 3
    await page.keyboard.press("t")
    assert await table.is_hidden()

    await page.focus("[data-as-table]")
    await tab_to(page, "[data-move=in]", "Shift+Tab")
    await page.keyboard.press("Enter")
    half = await _shown(page, hour)
    assert half.keys() == {"start", "end"}
    await _drag_over(page, ".u-over")
    quarter = await _shown(page, half)
    assert half["start"] < quarter["start"] < quarter["end"] < half["end"]
    await page.reload()
    assert await _shown(page) == quarter
    assert page.said == []


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_charts_and_tables_of_the_load_keep_nobody_out(page: Any, drover: Drover, theme: str) -> None:
    await page.emulate_media(color_scheme=theme)
    for query in ("", "?split=model&range=1h"):
        await page.goto(f"{drover.url}/load{query}")
        await page.wait_for_selector("[data-history][aria-busy=false]")
        assert await serious(page) == []
        await page.click("[data-as-table]")
        assert await serious(page) == []
    assert page.said == []
