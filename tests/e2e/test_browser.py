"""What people see in real browsers, while tasks stream and processes die."""

import asyncio
import hashlib
from typing import Any

import pytest

from orchestration.ollama.simulator import Herd
from tests.e2e.browsing import logged_in
from tests.e2e.herd import Drover, until

pytestmark = [pytest.mark.processes, pytest.mark.browser]

HOSTILE = (
    "echo:# Title <b>bold</b>\n\n<script>window.pwned = 1</script> <img src=x onerror='window.pwned = 2'>\n\n"
    "[click](javascript:window.pwned=3) ![i](http://127.0.0.1:1/x.png) <a href='javascript:window.pwned=4'>x</a>\n\n"
    "```html\n</code></pre><script>window.pwned = 5</script>\n```\n\n</textarea></template><!-- ]]> {{ 7*7 }} {% x %}"
)


async def _watch(page: Any, drover: Drover, task_id: int) -> None:
    await page.goto(f"{drover.url}/tasks/{task_id}")
    await page.click("[data-view=text]")


async def _text(page: Any) -> str:
    return str(await page.evaluate("document.querySelector('[data-stream]').textContent"))


async def _longer_than(page: Any, length: int) -> None:
    """Asks again and again: Playwright's own waiting evaluates text, which the content policy forbids."""
    for _ in range(1200):
        if len(await _text(page)) > length:
            return
        await page.wait_for_timeout(50)
    raise AssertionError(f"the text never got longer than {length}")


async def _ended(page: Any, output: str) -> None:
    await _longer_than(page, len(output) - 1)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


async def test_two_browsers_one_of_which_reloads_show_exactly_the_stored_text(
    browser: Any, drover: Drover, herd: Herd
) -> None:
    for node in herd.nodes:
        node.configure(speed=1)
    (task_id,) = drover.submit("A long story with emoji 🐑 please.", parameters={"num_predict": 1200})
    first, second = await logged_in(browser, drover), await logged_in(browser, drover)
    await _watch(first, drover, task_id)
    await _watch(second, drover, task_id)
    for length in (400, 1500):
        await _longer_than(second, length)
        await second.reload()
        await second.click("[data-view=text]")
    (task,) = await asyncio.to_thread(drover.until_ended, task_id)
    for page in (first, second):
        await _ended(page, task["output"])
        assert _digest(await _text(page)) == _digest(task["output"])
        assert page.said == []
    for node in herd.nodes:
        node.configure(speed=4)


async def test_a_page_resumes_by_itself_when_the_web_process_was_killed(page: Any, drover: Drover, herd: Herd) -> None:
    for node in herd.nodes:
        node.configure(speed=1)
    (task_id,) = drover.submit("A long story.", parameters={"num_predict": 1500})
    await _watch(page, drover, task_id)
    await _longer_than(page, 300)
    drover.kill("web")
    await page.wait_for_selector("[data-live-pill]:not([data-live=live])")
    drover.start("web")
    (task,) = await asyncio.to_thread(_ended_after_restart, drover, task_id)
    await _ended(page, task["output"])
    assert _digest(await _text(page)) == _digest(task["output"])
    await page.wait_for_selector("[data-live-pill][data-live=live]")
    for node in herd.nodes:
        node.configure(speed=4)


def _ended_after_restart(drover: Drover, task_id: int) -> list[dict]:
    until(drover.healthy, "health")
    return drover.until_ended(task_id)


async def test_a_prompt_typed_into_the_page_streams_its_answer(page: Any, drover: Drover) -> None:
    await page.goto(f"{drover.url}/new")
    await page.fill("textarea[name=prompt], textarea[name=input]", "echo:Hello from the page.")
    await page.click("button[type=submit]:has-text('Run')")
    await page.wait_for_url("**/tasks/*")
    await page.wait_for_selector("[data-stream] :text('Hello from the page.')")
    assert page.said == []


async def test_hostile_model_output_is_harmless_live_and_after_a_reload(page: Any, drover: Drover) -> None:
    (task_id,) = drover.submit(HOSTILE, parameters={"num_predict": 5000})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(f"{drover.url}/tasks/{task_id}")
    (task,) = await asyncio.to_thread(drover.until_ended, task_id)
    for _ in range(2):
        await page.wait_for_selector("[data-stream] :text('Title')")
        await page.evaluate("document.querySelectorAll('[data-stream] a').forEach((a) => a.click())")
        assert await page.evaluate("window.pwned") is None
        inside = "document.querySelectorAll('[data-stream] :is(script, img, iframe, [onerror])').length"
        assert await page.evaluate(inside) == 0
        await page.reload()
    await page.click("[data-view=text]")
    await _ended(page, task["output"])
    assert await _text(page) == task["output"]
    assert all(url.startswith((drover.url, "data:")) for url in asked)
    assert page.said == []


PAGES = (
    "/",
    "/tasks",
    "/tasks?status=failed",
    "/tasks/matching?status=waiting",
    "/tasks/{task}",
    "/new",
    "/new?from=task:{task}",
    "/compare",
    "/bench",
    "/outputs",
    "/outputs?q=short&open={task}",
    "/outputs/{task}",
    "/outputs/stats",
    "/agents",
    "/agents/new",
    "/agents/1",
    "/nodes",
    "/nodes/new",
    "/nodes/1",
    "/nodes/1/edit",
    "/nodes/discover",
    "/models/llama3.2:latest",
    "/settings",
    "/settings/system",
    "/settings/transfer",
    "/settings/retention",
    "/settings/retention?look=1",
    "/api/docs",
    "/admin/",
    "/admin/orchestration/task/",
    "/admin/orchestration/task/add/",
    "/admin/orchestration/task/{task}/change/",
    "/admin/orchestration/node/1/change/",
    "/admin/orchestration/agent/add/",
    "/admin/orchestration/auditentry/",
    "/admin/orchestration/pause/add/",
    "/admin/rq/",
    "/admin/rq/queues/0/",
    "/no-such-page",
)


def _is_kept(drover: Drover, task_id: int) -> bool:
    return drover.client.get(f"/api/orchestration/outputs/{task_id}").is_success


@pytest.mark.parametrize("width", [1440, 390])
async def test_no_page_violates_the_content_policy_or_is_wider_than_the_screen(
    page: Any, drover: Drover, width: int
) -> None:
    (task_id,) = drover.submit("Short.", parameters={"num_predict": 30})
    await asyncio.to_thread(drover.until_ended, task_id)
    await asyncio.to_thread(until, lambda: _is_kept(drover, task_id), "the answer among the outputs")
    await page.set_viewport_size({"width": width, "height": 844})
    for path in PAGES:
        await page.goto(drover.url + path.format(task=task_id))
        said = [words for words in page.said if path != "/no-such-page" or "CSP" in words]
        assert said == [], f"{path}: {said}"
        page.said.clear()
        if not path.startswith(("/admin", "/api")):
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


async def test_the_overview_shows_what_runs_without_a_reload(page: Any, drover: Drover) -> None:
    await page.goto(drover.url)
    ids = drover.submit("Watch me appear.", parameters={"num_predict": 4000})
    running = "a[data-f=title]:text('Watch me appear.')"
    await page.wait_for_selector(running)
    drover.api("POST", f"tasks/{ids[0]}/cancel")
    await asyncio.to_thread(drover.until_ended, *ids)
    await page.wait_for_selector(running, state="detached")
