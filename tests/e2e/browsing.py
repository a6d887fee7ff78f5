"""A person at the browser: logged in once for each Drover, moving by keyboard, whose console is listened to."""

import asyncio
from typing import Any

from tests.e2e.herd import PATIENCE, Drover

WATCH_VIOLATIONS = "addEventListener('securitypolicyviolation', (e) => console.error('CSP ' + e.blockedURI))"


async def logged_in(browser: Any, drover: Drover) -> Any:
    """A page of the admin's, on the overview."""
    if drover.session is None:
        context = await browser.new_context()
        door = await context.new_page()
        await door.goto(drover.url + await asyncio.to_thread(drover.login_link))
        await door.click("form[method=post] button[type=submit]")
        await door.wait_for_url(f"{drover.url}/")
        drover.session = await context.storage_state()
        await context.close()
    context = await browser.new_context(viewport={"width": 1440, "height": 900}, storage_state=drover.session)
    page = await listened_to(context)
    await page.goto(drover.url)
    return page


async def listened_to(context: Any) -> Any:
    """A new page, of which ``page.said`` keeps the errors on the console and what the content policy stopped."""
    context.set_default_timeout(PATIENCE * 1000)
    await context.add_init_script(WATCH_VIOLATIONS)
    page = await context.new_page()
    page.said = []
    page.on("console", lambda message: page.said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.said.append(str(error)))
    return page


async def tab_to(page: Any, selector: str, key: str = "Tab") -> None:
    """Presses the key until the focus is there."""
    for _ in range(160):
        if await page.evaluate(f"Boolean(document.activeElement?.matches({selector!r}))"):
            return
        await page.keyboard.press(key)
    raise AssertionError(f"{key} never reached {selector}")
