"""The page of a batch in a real browser while the batch runs: what it shows, and what it costs the main thread."""

import shutil
import threading
import time
from dataclasses import dataclass, field
from typing import Any

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LOOK_MS = 400
WORDS = ("pending", "running", "completed", "failed", "cancelled")
_COUNTS = """() => {
  const figure = (element) => Number(element.textContent.replaceAll(",", ""));
  const counts = [...document.querySelectorAll("[data-count]")].map((each) => [each.dataset.count, figure(each)]);
  return {rows: figure(document.querySelector("[data-rows-total]")), counts: Object.fromEntries(counts)};
}"""


@dataclass(slots=True)
class PageFound:
    """``share``: of the time that its main thread was busy. ``wrong``: what it showed that does not sum up."""

    share: float = 0.0
    seconds: float = 0.0
    heap_mb: tuple[float, float] = (0.0, 0.0)
    looks: int = 0
    last: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


def browser_path() -> str | None:
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def watch(login: str, url: str, rows: int, over: threading.Event) -> PageFound:
    """Until ``over``. Playwright comes with what development needs, so it is looked for only here."""
    from playwright.sync_api import sync_playwright

    found = PageFound()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_path(),
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking"],
        )
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.on("pageerror", lambda error: found.complaints.append(str(error)))
        page.goto(login)
        page.click("form[method=post] button[type=submit]")
        page.goto(url)
        page.wait_for_selector("[data-live-pill][data-live=live]")
        _follow(page, rows, over, found)
        browser.close()
    return found


def _follow(page: Any, rows: int, over: threading.Event, found: PageFound) -> None:
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    before, began = _metrics(session), time.monotonic()
    while not over.is_set():
        _look(page, rows, found)
        page.wait_for_timeout(LOOK_MS)
    after, found.seconds = _metrics(session), time.monotonic() - began
    page.wait_for_timeout(2500)  # the last counts are on their way
    _look(page, rows, found)
    found.share = (after["TaskDuration"] - before["TaskDuration"]) / found.seconds
    found.heap_mb = (before["JSHeapUsedSize"] / 1e6, after["JSHeapUsedSize"] / 1e6)


def _look(page: Any, rows: int, found: PageFound) -> None:
    shown = page.evaluate(_COUNTS)
    found.looks += 1
    found.last = shown["counts"]
    if not sum(shown["counts"].values()) == shown["rows"] == rows or set(shown["counts"]) != set(WORDS):
        found.wrong.append(f"the page shows {shown}")


def _metrics(session: Any) -> dict[str, float]:
    session.send("HeapProfiler.collectGarbage")
    return {item["name"]: item["value"] for item in session.send("Performance.getMetrics")["metrics"]}
