"""From a document to a cited answer in a real browser, by keyboard alone."""

import asyncio
from typing import Any

import pytest

from tests.e2e.accessibility import serious
from tests.e2e.browsing import tab_to
from tests.e2e.herd import Drover

pytestmark = [pytest.mark.processes, pytest.mark.browser]

TOPICS = ("Whales sing at night", "Ships carry salt", "Krill lives in cold water", "Gulls steal fish")
BOOK = "\n\n".join(f"# Part {at}\n\n{topic}. " + "Nothing else is said here. " * 200 for at, topic in enumerate(TOPICS))
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cf"
    "c0000003010100c9fe92ef0000000049454e44ae426082"
)


async def _count(page: Any, selector: str, least: int) -> None:
    for _ in range(2400):
        if await page.locator(selector).count() >= least:
            return
        await page.wait_for_timeout(50)
    raise AssertionError(f"{selector} never came")


async def test_a_document_is_uploaded_asked_about_and_cited_by_keyboard_alone(page: Any, drover: Drover) -> None:
    choosers: asyncio.Queue[Any] = asyncio.Queue()
    page.on("filechooser", choosers.put_nowait)
    await page.goto(f"{drover.url}/documents")
    assert await serious(page) == []
    await tab_to(page, "[data-files]")
    await page.keyboard.press("Enter")
    chooser = await asyncio.wait_for(choosers.get(), 15)
    await chooser.set_files({"name": "book.md", "mimeType": "text/markdown", "buffer": BOOK.encode()})
    await _count(page, "[data-uploads] [data-state=completed]", 1)
    await _count(page, ".docs__name a", 1)
    await tab_to(page, ".docs__name a")
    assert await serious(page) == []
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/documents/*")
    assert await serious(page) == []
    await tab_to(page, "a[href*='document=']")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/new?document=*")
    assert await serious(page) == []
    await tab_to(page, "textarea[name=prompt]")
    await page.keyboard.type("Where does krill live?")
    await tab_to(page, "input[name=documents]")
    assert await page.is_checked("input[name=documents]")
    await page.keyboard.press("Control+Enter")
    await page.wait_for_url("**/tasks/*")
    await _count(page, "details.passage", 1)
    await _count(page, "a.cite", 1)
    await tab_to(page, "a.cite")
    await page.keyboard.press("Enter")
    await _count(page, "details.passage[open][data-cited]", 1)
    assert await page.evaluate("document.activeElement.closest('details')?.open")
    assert await serious(page) == []
    await page.reload()
    await _count(page, "a.cite", 1)
    assert page.said == []


async def test_an_image_is_shown_before_it_is_sent_and_refused_where_no_model_can_see(
    page: Any, drover: Drover
) -> None:
    await page.goto(f"{drover.url}/new")
    await page.set_input_files("[data-images]", {"name": "dot.png", "mimeType": "image/png", "buffer": PNG})
    await _count(page, "[data-shots] img", 1)
    blind = "document.querySelectorAll('select[name=model_name] option[data-blind]:disabled').length"
    assert await page.evaluate(blind) >= 1
    assert await serious(page) == []
    await page.fill("textarea[name=prompt]", "What is this?")
    await page.keyboard.press("Control+Enter")
    await _count(page, ".field__error:has-text('image'), [role=alert]:has-text('image')", 1)
    assert "/new" in page.url
