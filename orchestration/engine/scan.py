"""The search: many addresses asked at once whether Ollama answers there, for a bounded time."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings

from orchestration.errors import DroverError
from orchestration.ollama.addresses import AddressPolicy
from orchestration.ollama.client import OllamaClient, Timeouts

AT_ONCE = 128
_CONNECT = timedelta(seconds=1)
_ANSWER = timedelta(seconds=3)
WHOLE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A server that answers as Ollama does."""

    base_url: str
    version: str
    models: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """``asked`` is less than all when the time was over."""

    found: list[Found]
    asked: int
    complete: bool


async def search(urls: Sequence[str], *, within: timedelta = WHOLE) -> Search:
    """In the order of the addresses. Whatever an address does is no failure of the search."""
    gate = asyncio.Semaphore(AT_ONCE)
    tasks = [asyncio.create_task(_ask(url, gate)) for url in urls]
    try:
        done, _ = await asyncio.wait(tasks, timeout=within.total_seconds()) if tasks else (set(), set())
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    found = [answer for task in tasks if task in done and (answer := task.result())]
    return Search(found=found, asked=len(done), complete=len(done) == len(tasks))


async def _ask(url: str, gate: asyncio.Semaphore) -> Found | None:
    async with gate:
        if not await _is_open(url):
            return None
        patience = Timeouts(connect=_CONNECT, metadata=_ANSWER)
        rules = AddressPolicy(allow_private=settings.DROVER_ALLOW_PRIVATE_NODES)
        try:
            async with OllamaClient(url, timeouts=patience, addresses=rules) as client:
                return Found(base_url=url, version=await client.version(), models=len(await client.tags()))
        except DroverError:
            return None


async def _is_open(url: str) -> bool:
    """A bare connection costs a fraction of a client, and most addresses have nobody."""
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(_CONNECT.total_seconds()):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
    except OSError:  # a time-out is one
        return False
    writer.close()
    return True
