"""The REST API over HTTP: requests, lists across pages, and streams of lines; every refusal becomes a Failure."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import httpx

from orchestration.cli.configuration import API_PATH, Settings
from orchestration.cli.failures import Failure, Misused, NoAccess, Refused, Unreachable
from orchestration.cli.text import line

TIMEOUT = httpx.Timeout(60, connect=10)
STREAM_TIMEOUT = httpx.Timeout(60, connect=10)
"""The server says something at least every 15 seconds."""
PAGE_MOST = 500
Json = dict[str, Any]

MAKE_A_KEY = (
    "Make a key where Drover runs: python manage.py create_api_key --user NAME --name LABEL\n"
    "Then: drover login, or DROVER_API_KEY=KEY, or --api-key KEY"
)


def part(name: object) -> str:
    """An id or a name as one step of an address."""
    return quote(str(name), safe=":") or "-"


class Client:
    """Speaks to one Drover with one key. Addresses are relative to the API; a leading slash is the site's root."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._client = httpx.Client(**self._arguments())

    def _arguments(self) -> dict[str, Any]:
        headers = {"Accept": "application/json", "User-Agent": "drover"}
        if self.settings.api_key:
            headers["Authorization"] = f"Bearer {self.settings.api_key}"
        # What the environment says about proxies is not meant for this machine itself.
        return {"headers": headers, "timeout": TIMEOUT, "trust_env": not self.settings.is_local}

    def close(self) -> None:
        self._client.close()

    def get(self, path: str, **params: Any) -> Any:
        return self.request("GET", path, params=params)

    def post(self, path: str, body: Any = None, **params: Any) -> Any:
        return self.request("POST", path, body=body, params=params)

    def put(self, path: str, body: Any) -> Any:
        return self.request("PUT", path, body=body)

    def delete(self, path: str, **params: Any) -> None:
        self.request("DELETE", path, params=params)

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> Any:
        """The JSON of the answer, None where it has no body."""
        if body is not None:
            more["json"] = body
        with _reached(self.settings):
            answer = self._client.request(
                method, self._address(path), params=_sent(params), headers=dict(headers or {}), **more
            )
        return self._read(answer)

    def health(self) -> Json:
        """Which parts are alive; the answer says so itself when its status is 503."""
        with _reached(self.settings):
            answer = self._client.get(self._address("/healthz"))
        try:
            data: Json = answer.json()
            return {"status": data["status"], "checks": data["checks"]}
        except (ValueError, KeyError, TypeError):
            raise self._not_drover(answer) from None

    def rows(self, path: str, key: str, *, limit: int, **params: Any) -> Json:
        """A list as one page of it looks, with as many rows as were asked for."""
        page: Json = self.get(path, limit=min(limit, PAGE_MOST), **params)
        found = list(page[key])
        while page.get("next_cursor") and len(found) < limit:
            page = self.get(path, limit=min(limit - len(found), PAGE_MOST), cursor=page["next_cursor"], **params)
            found += page[key]
        return {**page, key: found}

    @contextmanager
    def download(self, path: str, **params: Any) -> Iterator[Iterator[bytes]]:
        """A large answer in pieces."""
        with (
            _reached(self.settings),
            self._client.stream("GET", self._address(path), params=_sent(params)) as answer,
        ):
            if not answer.is_success:
                answer.read()
                self._read(answer)
            yield answer.iter_bytes()

    def text(self, method: str, path: str, body: Any) -> str:
        """An answer as it was written."""
        with _reached(self.settings):
            answer = self._client.request(method, self._address(path), json=body)
        if not answer.is_success:
            self._read(answer)
        return answer.text

    def asynchronous(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(**self._arguments())

    async def lines(self, client: httpx.AsyncClient, path: str) -> AsyncIterator[Json]:
        """NDJSON, line by line as it comes."""
        with _reached(self.settings):
            async with client.stream("GET", self._address(path), timeout=STREAM_TIMEOUT) as answer:
                if not answer.is_success:
                    await answer.aread()
                    self._read(answer)
                held = b""
                async for piece in answer.aiter_bytes():
                    *whole, held = (held + piece).split(b"\n")
                    for text in filter(None, whole):
                        yield json.loads(text)

    async def read(self, client: httpx.AsyncClient, path: str, **params: Any) -> Any:
        with _reached(self.settings):
            answer = await client.get(self._address(path), params=_sent(params))
        return self._read(answer)

    def _address(self, path: str) -> str:
        return f"{self.settings.url}{path}" if path.startswith("/") else f"{self.settings.url}{API_PATH}/{path}"

    def _read(self, answer: httpx.Response) -> Any:
        if answer.is_redirect:
            words = f"{self.settings.url} sends everybody on to {line(answer.headers.get('location', ''), 200)}."
            raise NoAccess(words, "Use that address, with --url or DROVER_URL.")
        if answer.is_success and not answer.content:
            return None
        try:
            data = answer.json()
        except ValueError:
            raise self._not_drover(answer) from None
        if answer.is_success:
            return data
        raise self._refusal(answer, data)

    def _refusal(self, answer: httpx.Response, data: Any) -> Failure:
        error = data.get("error") if isinstance(data, dict) else None
        if not isinstance(error, dict) or "message" not in error:
            return self._not_drover(answer)
        message = str(error["message"])
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            return NoAccess(message, self._about_keys(), payload=data)
        if answer.status_code == httpx.codes.FORBIDDEN:
            return NoAccess(message, payload=data)
        return Refused(message, _hint(answer, error), payload=data)

    def _about_keys(self) -> str:
        if self.settings.key_kept_back:
            return f"The stored key is for another address than {self.settings.url}.\n{MAKE_A_KEY}"
        return MAKE_A_KEY

    def _not_drover(self, answer: httpx.Response) -> Failure:
        words = f"{self.settings.url} answered {answer.status_code}, but not as Drover does."
        if answer.status_code in (502, 503, 504):
            return Unreachable(words, "A proxy stands there, and Drover behind it is away or busy.")
        return NoAccess(words, "Is that the right address? It is set by --url, DROVER_URL or drover login.")


def _hint(answer: httpx.Response, error: Mapping[str, Any]) -> str:
    wait = answer.headers.get("retry-after", "")
    if wait.isdigit():
        return f"Try again in {wait} s."
    if answer.status_code == httpx.codes.NOT_FOUND and f"There is no {API_PATH}" in str(error["message"]):
        return "This Drover does not know that call: it may be older than this command."
    return ""


def _sent(params: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (params or {}).items() if value not in (None, "", [], ())}


@contextmanager
def _reached(settings: Settings) -> Iterator[None]:
    try:
        yield
    except httpx.ConnectError as error:
        raise Unreachable(f"Nothing answers at {settings.url}: {_cause(error)}.", _how_to_start(settings)) from error
    except httpx.TimeoutException as error:
        raise Unreachable(f"{settings.url} did not answer in time.") from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:
        raise Misused(f"{settings.url} is not an address: {error}.") from error
    except httpx.TransportError as error:
        raise Unreachable(f"The connection to {settings.url} was lost: {_cause(error)}.") from error
    except json.JSONDecodeError as error:
        raise Unreachable(f"{settings.url} sent a line that is not JSON.") from error


def _cause(error: BaseException) -> str:
    return line(error, 200).rstrip(".") or type(error).__name__


def _how_to_start(settings: Settings) -> str:
    if settings.is_local:
        return "Start Drover with: make run    Or name another one: --url, DROVER_URL or drover login"
    return "Is it running, and is the address right? It is set by --url, DROVER_URL or drover login."
