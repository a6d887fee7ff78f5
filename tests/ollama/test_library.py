"""The library over HTTP: what it answers is read, and what it does wrong has words. Its pages are tested beside."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest
from aiohttp import web

from orchestration.errors import InvalidInput, InvalidNodeAddress, MalformedAnswer, Refused, Unreachable
from orchestration.ollama import library
from orchestration.ollama.addresses import AddressPolicy
from orchestration.ollama.library import Library
from tests.ollama.test_library_pages import LIST, TAGS

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
LOCAL = AddressPolicy(allow_private=True)


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[Handler], Awaitable[str]]]:
    runners: list[web.AppRunner] = []

    async def start(handler: Handler) -> str:
        app = web.Application()
        app.router.add_get("/{path:.*}", handler)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        runners.append(runner)
        return f"http://127.0.0.1:{runner.addresses[0][1]}/library"

    yield start
    for runner in runners:
        await runner.cleanup()


async def test_models_and_their_sizes_are_read(serve):
    async def answer(request: web.Request) -> web.Response:
        pages = {"/library": LIST, "/library/rivers/tags": TAGS}
        return web.Response(text=pages[request.path], content_type="text/html")

    async with Library(await serve(answer), addresses=LOCAL) as shelf:
        rivers, _ = await shelf.models()
        assert {tag.tag: tag.size_bytes for tag in (await shelf.with_sizes(rivers)).tags}["8b"] == 5_200_000_000


async def test_a_redirect_is_not_followed(serve):
    async def answer(request: web.Request) -> web.Response:
        raise web.HTTPFound("http://169.254.169.254/")

    async with Library(await serve(answer), addresses=LOCAL) as shelf:
        with pytest.raises(Refused, match="answered 302"):
            await shelf.models()


async def test_a_page_that_never_ends_is_left(serve, monkeypatch):
    monkeypatch.setattr(library, "MOST_BYTES", 10_000)

    async def answer(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse()
        await stream.prepare(request)
        while True:
            await stream.write(b"x" * 1_000)

    async with Library(await serve(answer), addresses=LOCAL) as shelf:
        with pytest.raises(MalformedAnswer, match="sends more than"):
            await shelf.models()


async def test_a_library_that_says_nothing_is_left_after_a_while(serve):
    async def answer(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async with Library(await serve(answer), addresses=LOCAL, patience=timedelta(seconds=0.2)) as shelf:
        with pytest.raises(Unreachable, match="did not answer within"):
            await shelf.models()


async def test_an_address_that_may_not_be_called_is_not_called(serve):
    async def answer(request: web.Request) -> web.Response:
        raise AssertionError

    url = await serve(answer)
    with pytest.raises(InvalidNodeAddress):
        Library(url, addresses=AddressPolicy(allow_private=False))
    with pytest.raises(InvalidInput):
        Library("file:///etc/passwd", addresses=LOCAL)


async def test_a_name_that_leads_to_a_forbidden_address_is_refused_where_it_connects():
    policy = AddressPolicy(allow_private=False)
    async with Library("http://localhost:11434/library", addresses=policy) as shelf:
        with pytest.raises((InvalidNodeAddress, Unreachable)):
            await shelf.models()
