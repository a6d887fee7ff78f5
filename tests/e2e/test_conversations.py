"""A conversation in a real browser, by keyboard alone: reloaded while it streams, edited, branched, remembered."""

import asyncio
from typing import Any

import pytest

from orchestration.ollama.simulator import Herd
from tests.e2e.accessibility import serious
from tests.e2e.browsing import tab_to
from tests.e2e.herd import Drover, until

pytestmark = [pytest.mark.processes, pytest.mark.browser]


async def _count(page: Any, selector: str, count: int) -> None:
    for _ in range(2400):
        if await page.locator(selector).count() == count:
            return
        await page.wait_for_timeout(50)
    raise AssertionError(f"{selector}: {await page.locator(selector).count()}, not {count}")


async def _shown(page: Any, turn: int) -> str:
    nth = f"document.querySelectorAll('[data-stream]')[{turn}]"
    return str(await page.evaluate(f"{nth}?.textContent ?? ''"))


async def _answered(page: Any, drover: Drover, talk: int, turns: int, text: str) -> list[dict[str, Any]]:
    """The turns of the branch once the last, which begins so, is answered and the page shows it."""
    path = f"conversations/{talk}"

    def done() -> Any:
        found = drover.api("GET", path)["turns"]
        last = found[-1] if len(found) == turns else None
        return found if last and last["text"].startswith(text) and last["answer"]["status"] == "completed" else None

    found: list[dict[str, Any]] = await asyncio.to_thread(until, done, "an answer")
    await _count(page, "[data-status=completed]", turns)
    return found


async def test_talking_by_keyboard_alone(page: Any, drover: Drover, herd: Herd) -> None:
    for node in herd.nodes:
        node.configure(speed=1)
    await asyncio.to_thread(drover.api, "PUT", "agents/default", json={"memory_enabled": True, "models": ["llama3.2"]})
    await page.keyboard.press("g")
    await page.keyboard.press("c")
    await page.wait_for_url("**/chat")
    assert await serious(page) == []
    await tab_to(page, "#id_text")
    await page.keyboard.type("A long story with emoji please.")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/chat/*")
    talk = int(page.url.rsplit("/", 1)[-1].partition("#")[0])

    for length in (100, 400):
        while len(await _shown(page, 0)) < length:
            await page.wait_for_timeout(50)
        await page.reload()
    (turn,) = await _answered(page, drover, talk, 1, "A long story")
    drawn = await page.evaluate(
        """async (text) => {
          const {renderMarkdown} = await import("/static/js/markdown.js");
          const fresh = document.createElement("div");
          renderMarkdown(fresh, text);
          return fresh.innerHTML === document.querySelector("[data-stream]").innerHTML;
        }""",
        turn["answer"]["output"],
    )
    assert drawn, "what is on the page is not what is stored"
    for node in herd.nodes:
        node.configure(speed=4)

    await tab_to(page, "[data-text]")
    await page.keyboard.type("echo:Noted.")
    await page.keyboard.press("Shift+Enter")
    await page.keyboard.type("[remember] Ana likes tea.")
    await page.keyboard.press("Enter")
    _, noted = await _answered(page, drover, talk, 2, "echo:Noted")
    assert noted["answer"]["output"].strip() == "Noted.\n[remember] Ana likes tea."
    facts = await asyncio.to_thread(
        until, lambda: drover.api("GET", "agents/default/memories")["memories"], "a fact of the agent"
    )
    assert [(fact["text"], fact["source"]) for fact in facts] == [("Ana likes tea.", "agent")]
    await page.wait_for_selector(".memory :text('noted by the agent')")

    await tab_to(page, "[data-text]")
    await page.keyboard.press("ArrowUp")
    assert "[remember]" in await page.input_value("[data-text]")
    await page.keyboard.press("Control+a")
    await page.keyboard.type("echo:Other words.")
    await page.keyboard.press("Enter")
    edited = (await _answered(page, drover, talk, 2, "echo:Other"))[1]
    assert edited["siblings"] == [noted["id"], edited["id"]]
    await _count(page, "[data-key=before-2]:not(:disabled)", 1)
    await tab_to(page, "[data-key=before-2]", "Shift+Tab")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("[data-stream] :text('Noted.')")
    assert await serious(page) == []
    assert page.said == []


async def test_an_answer_is_stopped_and_what_was_written_stays(page: Any, drover: Drover, herd: Herd) -> None:
    for node in herd.nodes:
        node.configure(speed=0.5)
    talk = (await asyncio.to_thread(drover.api, "POST", "conversations", json={}))["id"]
    await page.goto(f"{drover.url}/chat/{talk}")
    await page.keyboard.type("A very long story please.")
    await page.keyboard.press("Enter")
    while len(await _shown(page, 0)) < 50:
        await page.wait_for_timeout(50)
    await tab_to(page, "[data-key=send]")
    await page.keyboard.press("Enter")
    await page.wait_for_selector(":text('What was written so far counts.')")
    (turn,) = (await asyncio.to_thread(drover.api, "GET", f"conversations/{talk}"))["turns"]
    assert (turn["answer"]["status"], turn["can_be_sent"]) == ("cancelled", True)
    for node in herd.nodes:
        node.configure(speed=4)
    assert page.said == []


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_a_narrow_screen_keeps_the_details_at_hand(page: Any, drover: Drover, theme: str) -> None:
    talk = (await asyncio.to_thread(drover.api, "POST", "conversations", json={}))["id"]
    await asyncio.to_thread(
        drover.api,
        "POST",
        f"conversations/{talk}/turns?wait=60",
        json={"text": "echo:A | B | C", "model_name": "llama3.2"},
    )
    await page.emulate_media(color_scheme=theme)
    await page.set_viewport_size({"width": 390, "height": 844})
    for path in ("/chat", f"/chat/{talk}"):
        await page.goto(drover.url + path)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert await serious(page) == []
    await page.click("[data-details]")
    assert await serious(page) == []
    await page.keyboard.press("Escape")
    await _count(page, "[data-side][data-open]", 0)
    assert page.said == []
