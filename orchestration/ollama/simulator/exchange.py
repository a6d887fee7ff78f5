"""One request and its answer: JSON, lines that are flushed one by one, errors, aborted connections."""

import asyncio
import socket
import struct
import time
from typing import TYPE_CHECKING, Any, NoReturn

from aiohttp import web

from .faults import BEFORE, Fault
from .journal import Record
from .refusal import Refusal
from .stamps import encode

if TYPE_CHECKING:
    from .node import SimulatedNode

JSON = "application/json; charset=utf-8"
BARE_JSON = "application/json"
NDJSON = "application/x-ndjson"
EVENTS = "text/event-stream"
_HTML = "<html><head><title>Welcome</title></head><body><h1>Please sign in to the network</h1></body></html>"
_OPENAI_KINDS = {400: "invalid_request_error", 404: "not_found_error"}
_RESET_AT_ONCE = struct.pack("ii", 1, 0)


class Exchange:
    def __init__(self, node: "SimulatedNode", request: web.Request, record: Record, dialect: str) -> None:
        self.node = node
        self.request = request
        self.record = record
        self.dialect = dialect
        self.started_ns = time.perf_counter_ns()
        self.body: dict[str, Any] = {}
        self.streams = False
        self._response: web.StreamResponse | None = None

    @property
    def model(self) -> str:
        """The name as it was sent; an empty ``model`` falls back to ``name``."""
        return self.body.get("model") or self.body.get("name") or ""

    @property
    def has_begun(self) -> bool:
        return self._response is not None

    def _touch(self, status: int) -> None:
        self.record.status = status
        if self.record.first_byte is None:
            self.record.first_byte = time.monotonic()

    def json(self, value: Any, status: int = 200, content_type: str = JSON) -> web.Response:
        self._touch(status)
        named = BARE_JSON if self.dialect == "openai" else content_type
        return web.Response(body=encode(value), status=status, headers={"Content-Type": named})

    def empty(self, status: int = 200) -> web.Response:
        self._touch(status)
        response = web.Response(status=status)
        response.headers["Content-Length"] = "0"
        return response

    async def send(self, data: bytes, content_type: str = NDJSON) -> None:
        """Flush one object; headers leave with the first."""
        if self._response is None:
            self._touch(200)
            self._response = web.StreamResponse(headers={"Content-Type": content_type})
            await self._response.prepare(self.request)
        await self._response.write(data)

    async def end(self, content_type: str = NDJSON) -> web.StreamResponse:
        if self._response is None:
            await self.send(b"", content_type)
        assert self._response is not None
        await self._response.write_eof()
        return self._response

    def refused(self, refusal: Refusal) -> web.Response:
        self.record.outcome = self.record.outcome or "refused"
        if self.dialect == "openai":
            kind = _OPENAI_KINDS.get(refusal.status, "api_error")
            detail = {"message": refusal.message, "type": kind, "param": None, "code": None}
            return self.json({"error": detail}, refusal.status)
        bare = refusal.in_stream and self.streams
        return self.json({"error": refusal.message}, refusal.status, BARE_JSON if bare else JSON)

    async def abort(self) -> NoReturn:
        """Cut the connection so that the other side sees a reset; the cancelled handler ends here."""
        transport = self.request.transport
        if transport is not None:
            raw = transport.get_extra_info("socket")
            if raw is not None:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_ONCE)
            transport.abort()
        await asyncio.Event().wait()
        raise AssertionError("an aborted connection cancels its handler")

    async def meet_faults(self, inference: bool) -> web.Response | None:
        """Faults that strike before the request is looked at. Without a path they only concern inference."""
        path = self.request.path
        for fault in self.node.faults.present(BEFORE):
            reaches = inference or fault.path is not None or fault.kind == "freeze"
            if reaches and self.node.faults.strikes(fault, self.model or None, path):
                self.record.outcome = f"fault:{fault.kind}"
                answer = await self._suffer(fault)
                if answer is not None:
                    return answer
                self.record.outcome = ""
        return None

    async def _suffer(self, fault: Fault) -> web.Response | None:
        match fault.kind:
            case "reset":
                await self.abort()
            case "html":
                self._touch(200)
                return web.Response(text=_HTML, content_type="text/html")
            case "body":
                self._touch(200)
                return web.Response(text=fault.message, content_type="application/json")
            case "freeze":
                await self.node.faults.until_thawed(fault)
            case "slow_first_byte":
                await asyncio.sleep(1.0 if fault.seconds is None else fault.seconds)
            case "busy":
                raise Refusal(503, fault.message or "server busy, please try again.  maximum pending requests exceeded")
            case "not_found":
                raise Refusal(404, fault.message or f"model '{self.model}' not found")
            case "server_error":
                raise Refusal(500, fault.message or "an error was encountered while running the model: EOF")
        return None
