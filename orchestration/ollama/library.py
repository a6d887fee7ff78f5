"""Reads pages of the model library over HTTP: each connection's address checked, size and time bounded."""

import asyncio
from datetime import timedelta
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

import httpx

from orchestration.errors import InvalidInput, MalformedAnswer, Refused, Unreachable
from orchestration.ollama.addresses import AddressPolicy, check_url
from orchestration.ollama.library_pages import read_models, read_tags
from orchestration.ollama.transport import guarded_transport
from orchestration.policy.catalogue import CatalogueModel

MOST_BYTES: Final = 8 * 1024 * 1024
_HEADERS: Final = {"accept": "text/html", "accept-encoding": "identity", "user-agent": "drover"}


class Library:
    """One reading. ``url`` is that of the list; a model's tags are at ``url/NAME/tags``."""

    def __init__(self, url: str, *, addresses: AddressPolicy, patience: timedelta = timedelta(seconds=20)) -> None:
        if urlsplit(url).scheme not in ("http", "https"):
            raise InvalidInput("The address of the library must start with http:// or https://.")
        self._url = check_url(url, addresses)
        self._transport = guarded_transport(addresses, verify_tls=True)
        self._patience = patience

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.aclose()

    async def models(self) -> list[CatalogueModel]:
        found = read_models(await self._page(self._url))
        if not found:
            raise MalformedAnswer("The library's page names no model")
        return found

    async def with_sizes(self, model: CatalogueModel) -> CatalogueModel:
        return read_tags(await self._page(f"{self._url}/{model.name}/tags"), model)

    async def _page(self, url: str) -> str:
        try:
            async with asyncio.timeout(self._patience.total_seconds()):
                return await self._read(url)
        except TimeoutError as error:
            raise Unreachable(f"{url} did not answer within {self._patience.total_seconds():g} s") from error
        except httpx.HTTPError as error:
            raise Unreachable(f"{url} cannot be read: {_cause(error)}") from error

    async def _read(self, url: str) -> str:
        seconds = self._patience.total_seconds()
        limits = {"connect": seconds, "pool": seconds, "read": seconds, "write": seconds}
        request = httpx.Request("GET", url, headers=_HEADERS, extensions={"timeout": limits})
        answer = await self._transport.handle_async_request(request)
        try:
            if answer.status_code != httpx.codes.OK:  # a redirect leads nowhere: what it names was not configured
                raise Refused(f"{url} answered {answer.status_code}", status=answer.status_code)
            return await _body(answer, url)
        finally:
            await answer.aclose()


async def _body(answer: httpx.Response, url: str) -> str:
    held = bytearray()
    async for piece in answer.aiter_raw():
        held += piece
        if len(held) > MOST_BYTES:
            raise MalformedAnswer(f"{url} sends more than {MOST_BYTES // 1024 // 1024} MiB")
    return held.decode("utf-8", "replace")


def _cause(error: BaseException) -> str:
    return str(error) or type(error).__name__
