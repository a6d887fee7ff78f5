"""A TCP server that reads HTTP requests and answers with whatever bytes, pauses and cuts a test wants to play."""

import asyncio
import json
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from orchestration.ollama.client import OllamaClient

SHORT = timedelta(milliseconds=100)
MESSAGES = [{"role": "user", "content": "Hello"}]


@dataclass
class Received:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Peer:
    """The server's side of one request."""

    request: Received
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def begin(self, status: int = 200, *, kind: str = "application/x-ndjson", extra: str = "") -> None:
        head = f"HTTP/1.1 {status} Said\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n{extra}\r\n"
        await self.send(head.encode())

    async def chunk(self, data: bytes) -> None:
        await self.send(b"%x\r\n%s\r\n" % (len(data), data))

    async def object(self, **fields: Any) -> None:
        await self.chunk(json.dumps(fields).encode() + b"\n")

    async def end(self) -> None:
        await self.send(b"0\r\n\r\n")

    async def answer(self, body: Any, status: int = 200, *, kind: str = "application/json; charset=utf-8") -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        head = f"HTTP/1.1 {status} Said\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n\r\n"
        await self.send(head.encode() + data)

    async def gone(self) -> None:
        """Returns when the client has closed its side."""
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionError:
            pass

    def cut(self) -> None:
        """The connection ends in the middle, as after a crash."""
        self.writer.transport.abort()

    def hang_up(self) -> None:
        self.writer.close()


Play = Callable[[Peer], Awaitable[None]]


@dataclass
class RawServer:
    play: Play
    tls: ssl.SSLContext | None = None
    host: str = "127.0.0.1"
    requests: list[Received] = field(default_factory=list)
    connections: int = 0
    _failures: list[BaseException] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> "RawServer":
        self._server = await asyncio.start_server(self._serve, self.host, 0, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        for failure in self._failures:
            raise failure

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        try:
            while (request := await _read_request(reader)) is not None:
                self.requests.append(request)
                await self.play(Peer(request, reader, writer))
        except (ConnectionError, asyncio.CancelledError):
            pass
        except Exception as exc:
            self._failures.append(exc)
        finally:
            writer.close()


async def _read_request(reader: asyncio.StreamReader) -> Received | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    except asyncio.IncompleteReadError:
        return None
    method, path, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(method, path, headers, body)


def closed_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def words(*texts, done=True) -> list[dict[str, Any]]:
    """The objects of a chat answer."""
    objects = [{"model": "m", "message": {"role": "assistant", "content": text}, "done": False} for text in texts]
    last = {"model": "m", "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"}
    return [*objects, last] if done else objects


async def say(peer: Peer, *texts, done=True) -> None:
    await peer.begin()
    for spoken in words(*texts, done=done):
        await peer.object(**spoken)


def talk(client: OllamaClient, **options) -> AbstractAsyncContextManager[Any]:
    return aclosing(client.chat(model="m", messages=MESSAGES, **options))


async def everything(generator) -> list[Any]:
    async with aclosing(generator) as found:
        return [item async for item in found]


async def collect(client: OllamaClient, **options) -> list[Any]:
    return await everything(client.chat(model="m", messages=MESSAGES, **options))


async def collect_into(texts: list[str], client: OllamaClient, **options) -> None:
    """Keeps what was said before a failure."""
    async with talk(client, **options) as chunks:
        while (chunk := await anext(chunks, None)) is not None:
            texts.append(chunk.text)
