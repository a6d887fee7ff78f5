"""The admin in a real browser: nothing is blocked by the content policy, and the theme is the dashboard's."""

from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from orchestration.models import Task, User

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PAGES = (
    "/admin/",
    "/admin/orchestration/task/",
    "/admin/orchestration/task/add/",
    "/admin/orchestration/node/",
    "/admin/orchestration/agent/add/",
    "/admin/orchestration/apikey/add/",
    "/admin/orchestration/user/add/",
    "/admin/orchestration/auditentry/",
    "/admin/rq/",
)


@pytest.fixture
def session(alice: User, submitted_task: Task, redis_server: object) -> str:
    """Alice's session cookie."""
    client = Client()
    client.force_login(alice)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


async def test_no_page_breaks_the_content_policy(live_server: Any, browser: Any, session: str) -> None:
    context = await browser.new_context()
    await context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}])
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    for path in PAGES:
        response = await page.goto(live_server.url + path, wait_until="networkidle")
        assert response.status == 200, path
    await page.goto(f"{live_server.url}/admin/orchestration/task/add/")
    await page.click(".select2-selection")
    await page.wait_for_selector(".select2-results__option")
    assert complaints == []


async def test_the_theme_is_the_one_chosen_in_the_dashboard(live_server: Any, browser: Any, session: str) -> None:
    context = await browser.new_context(color_scheme="light")
    await context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}])
    page = await context.new_page()
    await page.goto(f"{live_server.url}/admin/")
    await page.click("[data-theme-set=dark]")
    await page.reload()
    assert await page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert await page.evaluate("localStorage.getItem('drover.theme')") == "dark"
    background = "getComputedStyle(document.body).backgroundColor"
    assert await page.evaluate(background) == "rgb(12, 14, 16)"
