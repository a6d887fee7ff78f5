"""One request to a node and its answer: deadlines while waiting, and every way it can break as an error of ours."""

import errno
import ssl
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self, TypeVar

import aiohttp
import httpx
from aiohttp.http import HttpProcessingError

from orchestration.errors import (
    InvalidNodeAddress,
    MalformedAnswer,
    OllamaError,
    Refused,
    StreamStalled,
    StreamTruncated,
    Unreachable,
)
from orchestration.ollama.ndjson import LineSplitter, error_of, parse_object
from orchestration.ollama.watchdog import Watchdog

LINE_LIMIT: Final = 16 * 1024 * 1024
BODY_LIMIT: Final = 64 * 1024 * 1024
_ERROR_BODY_LIMIT: Final = 1024 * 1024
_ERROR_BODY_SECONDS: Final = 10.0
_FINISH_SECONDS: Final = 1.0
_SHOWN_TEXT: Final = 500

_Broken = (httpx.HTTPError, aiohttp.ClientError, HttpProcessingError, InvalidNodeAddress, OSError)
_NotHttp = (aiohttp.ClientResponseError, HttpProcessingError)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a call waits for its first object, and then for each further one."""

    first: timedelta
    between: timedelta
    first_is: str = "first_object"

    @classmethod
    def once(cls, limit: timedelta) -> Self:
        return cls(first=limit, between=limit, first_is="answer")


@asynccontextmanager
async def exchange(
    transport: httpx.AsyncBaseTransport,
    request: httpx.Request,
    node: str,
    patience: Patience,
    line_limit: int = LINE_LIMIT,
) -> AsyncIterator["Answer"]:
    """Leaving closes the socket at once, in every phase, unless the answer was read to its end.

    It speaks to the transport itself: cookies, redirects and logins, for which httpx has its client, are no part of
    Ollama and would take as long as the rest.
    """
    answer = Answer(node, patience, line_limit)
    try:
        await answer.begin(transport, request)
        yield answer
    finally:
        await answer.close()


class Answer:
    """What a node sends back, read piece by piece; nothing here waits without a deadline."""

    def __init__(self, node: str, patience: Patience, line_limit: int) -> None:
        self._node = node
        self._patience = patience
        self._watchdog = Watchdog(patience.first.total_seconds())
        self._between = patience.between.total_seconds()
        self._under_way = False
        self._splitter = LineSplitter(line_limit)
        self._response: httpx.Response | None = None
        self._pieces: AsyncIterator[bytes]

    async def begin(self, transport: httpx.AsyncBaseTransport, request: httpx.Request) -> None:
        self._response = response = await self._wait(transport.handle_async_request(request))
        self._pieces = response.aiter_raw()
        if response.status_code >= 400:
            raise await self._refusal(response)
        if response.status_code >= 300:
            raise self._redirected(response)
        encoding = response.headers.get("content-encoding", "identity")
        if encoding != "identity":
            raise MalformedAnswer(f"{self._node} compressed its answer, which was not asked for", encoding=encoding)

    async def lines(self) -> list[bytes]:
        """The next lines, as many as arrived together; none at the end of the answer."""
        if self._under_way:
            self._watchdog.allow(self._between)
        while piece := await self._wait(anext(self._pieces, b"")):
            if lines := self._splitter.feed(piece):
                self._under_way = True
                return lines
        return self._last_line()

    async def body(self, limit: int = BODY_LIMIT) -> bytes:
        pieces: list[bytes] = []
        size = 0
        while piece := await self._wait(anext(self._pieces, b"")):
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                raise MalformedAnswer(f"The answer of {self._node} is larger than {limit} bytes", limit=limit)
        return b"".join(pieces)

    async def finish(self) -> None:
        """Reads the end of the body, which follows the last object at once: then the connection can be used again."""
        self._watchdog.allow(_FINISH_SECONDS)
        with suppress(OllamaError):
            while await self._wait(anext(self._pieces, b"")):
                pass

    async def close(self) -> None:
        self._watchdog.close()
        if self._response is not None:
            await self._response.aclose()

    def truncated(self, missing: str) -> StreamTruncated:
        return StreamTruncated(f"{self._node} ended its answer without {missing}", cause="ended_early")

    def _last_line(self) -> list[bytes]:
        line = self._splitter.rest()
        if not line.strip():
            return []
        if line.lstrip().startswith(b"{"):
            try:
                parse_object(line)
            except MalformedAnswer as exc:
                raise self.truncated("completing its last object") from exc
        return [line]

    async def _wait(self, awaited: Awaitable[T]) -> T:
        try:
            with self._watchdog:
                return await awaited
        except TimeoutError:
            raise self._stalled() from None
        except _Broken as exc:
            raise _failure(exc, self._node, under_way=self._under_way) from exc

    def _stalled(self) -> StreamStalled:
        phase = "between_objects" if self._under_way else self._patience.first_is
        limit = self._patience.between if self._under_way else self._patience.first
        seconds = limit.total_seconds()
        return StreamStalled(
            f"{self._node} sent nothing complete for {seconds:g} s", waited_for=phase, limit_seconds=seconds
        )

    async def _refusal(self, response: httpx.Response) -> Refused:
        status = response.status_code
        self._watchdog.allow(_ERROR_BODY_SECONDS)
        body = b""
        with suppress(OllamaError):
            body = await self.body(_ERROR_BODY_LIMIT)
        text, detail = _error_text(body)
        return Refused(text or _unexplained(status), status=status, **detail)

    def _redirected(self, response: httpx.Response) -> MalformedAnswer:
        location = response.headers.get("location", "")
        return MalformedAnswer(
            f"{self._node} redirects, which Ollama does not do: enter the address it points to",
            status=response.status_code,
            location=location[:_SHOWN_TEXT],
        )


def _error_text(body: bytes) -> tuple[str, dict[str, object]]:
    """Ollama's error, or the text of whatever stands in front of it; a web page says nothing worth showing."""
    with suppress(MalformedAnswer):
        if found := error_of(parse_object(body)):
            return found
    text = body.decode("utf-8", "replace").replace("\0", "").strip()
    return ("" if text.startswith("<") else text[:_SHOWN_TEXT]), {}


def _unexplained(status: int) -> str:
    if status == 403:
        return "HTTP 403 without a reason: Ollama does so when it does not accept the Host or Origin header"
    return f"HTTP {status} without a reason"


def _failure(exc: Exception, node: str, *, under_way: bool) -> OllamaError:
    """httpx names most of these a ConnectTimeout; what really happened is in the cause that aiohttp left."""
    cause = exc.__cause__ if isinstance(exc, httpx.HTTPError) and exc.__cause__ else exc
    if isinstance(cause, _NotHttp):
        return MalformedAnswer(f"{node} does not answer in HTTP: {_reason(cause)}")
    if under_way:
        return StreamTruncated(f"The connection to {node} was lost in the middle of the answer", cause="lost")
    kind, words = _unreachable(cause, node)
    return Unreachable(words, cause=kind)


def _unreachable(cause: BaseException, node: str) -> tuple[str, str]:
    match cause:
        case InvalidNodeAddress():
            return "address_not_allowed", cause.message
        case aiohttp.ClientConnectorDNSError():
            return "dns", f"The name in {node} does not resolve"
        case aiohttp.ClientConnectorCertificateError():
            return "tls_certificate", f"The TLS certificate of {node} is not valid: {_reason(cause)}"
        case ssl.SSLError():
            return "tls", f"No TLS connection with {node}: {_reason(cause)}"
        case aiohttp.ServerTimeoutError():
            return "connect_timeout", f"{node} did not accept a connection in time"
        case aiohttp.ClientConnectorError():
            if cause.errno == errno.ECONNREFUSED or "refused" in str(cause):
                return "refused", f"connection refused by {node}"
            return "connect", f"No connection to {node}: {_reason(cause)}"
        case _:
            return "lost", f"{node} closed the connection before it answered"


def _reason(cause: BaseException) -> str:
    match cause:
        case aiohttp.ClientConnectorCertificateError():
            certificate_error = cause.certificate_error
            return str(getattr(certificate_error, "verify_message", "") or certificate_error)
        case aiohttp.ClientConnectorError():
            return str(cause.os_error.strerror or cause.os_error)
        case _:
            return str(getattr(cause, "message", "") or cause)[:_SHOWN_TEXT]
