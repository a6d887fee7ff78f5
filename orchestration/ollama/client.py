"""The asynchronous client of one Ollama server: wire.py has what it returns, the OllamaError family what it raises."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import timedelta
from types import TracebackType
from typing import Any, Final, Self

import httpx

from orchestration.errors import Refused, StreamFailed
from orchestration.ollama import wire
from orchestration.ollama.addresses import AddressPolicy, check_url
from orchestration.ollama.exchange import BODY_LIMIT, LINE_LIMIT, Answer, Patience, exchange
from orchestration.ollama.headers import Mask
from orchestration.ollama.ndjson import Json, error_of, parse_object
from orchestration.ollama.transport import guarded_transport

# aiohttp sends a body in one piece if it gets one piece, and blocks the loop meanwhile.
_PIECE_OF_BODY: Final = 256 * 1024
_DEFAULT_ADDRESSES: Final = AddressPolicy()
_HEADERS: Final = {
    "accept": "application/json, application/x-ndjson",
    "accept-encoding": "identity",
    "content-type": "application/json",
    "user-agent": "drover",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """There is no limit on a whole stream: only silence is a fault. ``metadata`` bounds the short calls as a whole."""

    connect: timedelta = timedelta(seconds=5)
    first_object: timedelta = timedelta(minutes=15)
    between_objects: timedelta = timedelta(seconds=120)
    metadata: timedelta = timedelta(seconds=10)

    @property
    def stream(self) -> Patience:
        return Patience(first=self.first_object, between=self.between_objects)

    @property
    def single(self) -> Patience:
        return Patience.once(self.first_object)

    @property
    def short(self) -> Patience:
        return Patience.once(self.metadata)


class OllamaClient:
    """One per node, long-lived, and used in one event loop.

    The generators want ``async with aclosing(client.chat(...)) as chunks``: leaving early, like cancelling the task,
    closes the socket, which is the only way to tell Ollama to stop.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        verify_tls: bool = True,
        timeouts: Timeouts = Timeouts(),
        addresses: AddressPolicy = _DEFAULT_ADDRESSES,
    ) -> None:
        self.base_url = check_url(base_url, addresses)
        self._timeouts = timeouts
        self._transport = guarded_transport(addresses, verify_tls=verify_tls)
        own = {name.lower(): value for name, value in (headers or {}).items()}
        self._headers = {**own, **_HEADERS}
        self._mask = Mask(own)
        self._urls: dict[str, httpx.URL] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._transport.aclose()

    async def version(self) -> str:
        return wire.parse_version(await self._ask("GET", "/api/version", patience=self._timeouts.short))

    async def tags(self) -> list[wire.InstalledModel]:
        return wire.parse_installed(await self._ask("GET", "/api/tags", patience=self._timeouts.short))

    async def ps(self) -> list[wire.LoadedModel]:
        return wire.parse_loaded(await self._ask("GET", "/api/ps", patience=self._timeouts.short))

    async def show(self, model: str, *, verbose: bool = False) -> wire.ModelDetails:
        body = {"model": model, "verbose": verbose}
        return wire.parse_details(await self._ask("POST", "/api/show", body, patience=self._timeouts.short))

    async def described(self, model: wire.InstalledModel) -> wire.InstalledModel:
        """Servers before 0.30 do not list what a model can do, nor its context: they tell it of one model at a time."""
        if model.capabilities or model.remote:
            return model
        shown = await self.show(model.name)
        context = model.context_length or shown.context_length
        return replace(model, capabilities=shown.capabilities, context_length=context)

    def generate(
        self,
        *,
        model: str,
        prompt: str,
        system: str | None = None,
        template: str | None = None,
        suffix: str | None = None,
        images: Sequence[str] = (),
        format: str | Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        keep_alive: timedelta | None = None,
        think: bool | str | None = None,
        raw: bool = False,
        stream: bool = True,
        timeouts: Timeouts | None = None,
    ) -> AsyncGenerator[wire.Chunk, None]:
        """``images`` are plain base64; ``think`` left out lets a thinking model think."""
        body = {"model": model, "prompt": prompt, "stream": stream} | _given(
            system=system,
            template=template,
            suffix=suffix,
            images=list(images) or None,
            format=format,
            options=options,
            keep_alive=keep_alive,
            think=think,
            raw=raw or None,
        )
        return self._chunks("/api/generate", body, timeouts)

    def chat(
        self,
        *,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]] | None = None,
        format: str | Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        keep_alive: timedelta | None = None,
        think: bool | str | None = None,
        stream: bool = True,
        timeouts: Timeouts | None = None,
    ) -> AsyncGenerator[wire.Chunk, None]:
        body = {"model": model, "messages": list(messages), "stream": stream} | _given(
            tools=list(tools or ()) or None, format=format, options=options, keep_alive=keep_alive, think=think
        )
        return self._chunks("/api/chat", body, timeouts)

    async def embed(
        self,
        *,
        model: str,
        inputs: list[str],
        options: Mapping[str, Any] | None = None,
        keep_alive: timedelta | None = None,
        truncate: bool | None = None,
        dimensions: int | None = None,
    ) -> wire.EmbedResult:
        body = {"model": model, "input": inputs} | _given(
            options=options, keep_alive=keep_alive, truncate=truncate, dimensions=dimensions
        )
        return wire.parse_embeddings(await self._ask("POST", "/api/embed", body, patience=self._timeouts.single))

    async def pull(self, model: str) -> AsyncGenerator[wire.PullProgress, None]:
        # Between two lines lies the checking of a digest: minutes of silence for a large model.
        patience = Patience(first=self._timeouts.first_object, between=self._timeouts.first_object)
        async with self._open("POST", "/api/pull", {"model": model, "stream": True}, patience=patience) as answer:
            while lines := await answer.lines():
                for line in lines:
                    progress = wire.parse_pull(_checked(line))
                    yield progress
                    if progress.done:
                        await answer.finish()
                        return
            raise answer.truncated('the status "success"')

    async def delete(self, model: str) -> None:
        await self._tell("DELETE", "/api/delete", {"model": model})

    async def copy(self, source: str, destination: str) -> None:
        await self._tell("POST", "/api/copy", {"source": source, "destination": destination})

    async def load(
        self, model: str, *, options: Mapping[str, Any] | None = None, keep_alive: timedelta | None = None
    ) -> None:
        """Returns when the model is in memory. Cancelling aborts the load, also for everybody who waits for it."""
        body = {"model": model, "prompt": "", "stream": False} | _given(options=options, keep_alive=keep_alive)
        try:
            await self._ask("POST", "/api/generate", body, patience=self._timeouts.single)
        except Refused as refusal:
            if refusal.status != 400 or "does not support generate" not in refusal.message:
                raise
            await self.embed(model=model, inputs=[], options=options, keep_alive=keep_alive)

    async def unload(self, model: str) -> None:
        """Returns at once; the model leaves as soon as nobody uses it."""
        body = {"model": model, "prompt": "", "stream": False, "keep_alive": 0}
        await self._ask("POST", "/api/generate", body, patience=self._timeouts.short)

    async def _chunks(self, path: str, body: Json, timeouts: Timeouts | None) -> AsyncGenerator[wire.Chunk, None]:
        timeouts = timeouts or self._timeouts
        limit = LINE_LIMIT if body["stream"] else BODY_LIMIT
        async with self._open("POST", path, body, patience=timeouts.stream, timeouts=timeouts, limit=limit) as answer:
            while lines := await answer.lines():
                for line in lines:
                    chunk = wire.parse_chunk(_checked(line))
                    yield chunk
                    if chunk.done:
                        await answer.finish()
                        return
            raise answer.truncated("an object that says done")

    async def _ask(self, method: str, path: str, body: Json | None = None, *, patience: Patience) -> Json:
        async with self._open(method, path, body, patience=patience) as answer:
            return _checked(await answer.body())

    async def _tell(self, method: str, path: str, body: Json) -> None:
        """A call whose success has no body."""
        async with self._open(method, path, body, patience=Patience.once(self._timeouts.between_objects)) as answer:
            await answer.body()

    def _open(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        patience: Patience,
        timeouts: Timeouts | None = None,
        limit: int = LINE_LIMIT,
    ) -> AbstractAsyncContextManager[Answer]:
        connect = (timeouts or self._timeouts).connect.total_seconds()
        content = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        length = {} if content is None else {"content-length": str(len(content))}
        request = httpx.Request(
            method,
            self._url(path),
            content=content if content is None or len(content) <= _PIECE_OF_BODY else _pieces(content),
            headers={**self._headers, **length},
            # What httpx calls the wait for its pool is, without a pool limit, the whole way to a connection: name,
            # every address, TLS. Silence afterwards is the exchange's business.
            extensions={"timeout": {"connect": connect, "pool": connect, "read": None, "write": None}},
        )
        answer = exchange(self._transport, request, self.base_url, patience, limit)
        return self._mask.over(answer) if self._mask else answer

    def _url(self, path: str) -> httpx.URL:
        """Taken apart once: that costs as much as sending it."""
        if path not in self._urls:
            self._urls[path] = httpx.URL(self.base_url + path)
        return self._urls[path]


def _given(**fields: Any) -> Json:
    """The fields that were given; Ollama reads a missing one as its default."""
    if (keep_alive := fields.get("keep_alive")) is not None:
        fields["keep_alive"] = wire.format_keep_alive(keep_alive)
    return {name: value for name, value in fields.items() if value is not None}


def _checked(line: bytes) -> Json:
    """One object; an error in it comes first, whatever else it says."""
    found = parse_object(line)
    if error := error_of(found):
        message, detail = error
        raise StreamFailed(message, **detail)
    return found


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), _PIECE_OF_BODY):
        yield content[start : start + _PIECE_OF_BODY]
