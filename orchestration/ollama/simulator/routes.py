"""Which path leads where, and what surrounds every request: origin checks, bodies, faults, errors, the journal."""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import ClientError, web
from aiohttp.typedefs import Middleware

from . import body as shapes
from . import compat, control, creation, inference, management
from .body import Shape, read_body
from .exchange import Exchange
from .refusal import Refusal

if TYPE_CHECKING:
    from .node import SimulatedNode

Answerer = Callable[[Exchange], Awaitable[web.StreamResponse]]
_LOCAL_ORIGIN = re.compile(
    r"https?://(localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\])(:\d+)?/?"
    r"|(app|file|tauri|vscode-webview|vscode-file|[a-z]+-extension)://.*"
)
_LOCAL_ENDINGS = (".localhost", ".local", ".internal")


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    path: str
    answer: Answerer
    shape: Shape | None = None
    infers: bool = False
    dialect: str = "native"


async def _alive(exchange: Exchange) -> web.StreamResponse:
    exchange.record.status = 200
    return web.Response(text="Ollama is running", content_type="text/plain", charset="utf-8")


ROUTES = (
    Route("GET", "/", _alive),
    Route("HEAD", "/", _alive),
    Route("GET", "/api/version", management.version),
    Route("HEAD", "/api/version", management.version),
    Route("GET", "/api/status", management.status),
    Route("GET", "/api/tags", management.tags),
    Route("HEAD", "/api/tags", management.tags),
    Route("GET", "/api/ps", management.ps),
    Route("POST", "/api/show", management.show, shapes.SHOW),
    Route("POST", "/api/generate", inference.generate, shapes.GENERATE, infers=True),
    Route("POST", "/api/chat", inference.chat, shapes.CHAT, infers=True),
    Route("POST", "/api/embed", inference.embed, shapes.EMBED, infers=True),
    Route("POST", "/api/embeddings", inference.embeddings, shapes.EMBEDDINGS, infers=True),
    Route("POST", "/api/pull", management.pull, shapes.PULL),
    Route("POST", "/api/push", management.push, shapes.PUSH),
    Route("POST", "/api/create", creation.create, shapes.CREATE),
    Route("POST", "/api/copy", management.copy, shapes.COPY),
    Route("DELETE", "/api/delete", management.delete, shapes.DELETE),
    Route("HEAD", "/api/blobs/{digest}", management.blob_head),
    Route("POST", "/api/blobs/{digest}", management.blob_post),
    Route("POST", "/api/me", management.unauthorised),
    Route("POST", "/api/experimental/web_search", management.cloud_only),
    Route("POST", "/api/experimental/web_fetch", management.cloud_only),
    Route("GET", "/api/experimental/model-recommendations", management.recommendations),
    Route("GET", "/v1/models", compat.models, dialect="openai"),
    Route("GET", "/v1/models/{model}", compat.model, dialect="openai"),
    Route("POST", "/v1/chat/completions", compat.chat_completions, shapes.FREE, infers=True, dialect="openai"),
    Route("POST", "/v1/embeddings", compat.embeddings, shapes.FREE, infers=True, dialect="openai"),
)


def make_app(node: "SimulatedNode") -> web.Application:
    app = web.Application(middlewares=[_plain_errors(node)], client_max_size=1 << 40)
    for route in ROUTES:
        app.router.add_route(route.method, route.path, _handler(node, route))
    control.add_routes(app, node)
    app.on_response_prepare.append(_without_server_header)
    return app


async def _without_server_header(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.popall("Server", None)


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _plain_errors(node: "SimulatedNode") -> Middleware:
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith("/_simulator/"):
            return await handler(request)
        if refused := _foreign(request, node.spec.host):
            return refused
        try:
            return await handler(request)
        except web.HTTPNotFound:
            return _moved(request, node) or _plain(404, "404 page not found")
        except web.HTTPMethodNotAllowed:
            return _plain(405, "405 method not allowed")

    return middleware


def _plain(status: int, text: str) -> web.Response:
    return web.Response(status=status, body=text.encode(), headers={"Content-Type": "text/plain"})


def _moved(request: web.Request, node: "SimulatedNode") -> web.Response | None:
    """A trailing slash too many is taken back where that helps."""
    target = request.path.rstrip("/")
    if request.path == target or target not in node.paths:
        return None
    return web.Response(status=301 if request.method == "GET" else 307, headers={"Location": target})


def _foreign(request: web.Request, listens_on: str) -> web.Response | None:
    """Refuses strange origins, and strange host names while only this machine may call."""
    origin = request.headers.get("Origin")
    if origin and not _LOCAL_ORIGIN.fullmatch(origin) and origin.partition("://")[2] != request.host:
        return web.Response(status=403)
    if listens_on in ("127.0.0.1", "::1", "localhost") and not _is_local_host(request.host):
        return web.Response(status=403)
    if request.method == "OPTIONS" and origin:
        return web.Response(status=204, headers={"Access-Control-Allow-Origin": origin})
    return None


def _is_local_host(host: str) -> bool:
    name = host.rpartition(":")[0] if re.search(r":\d+$", host) else host
    name = name.strip("[]").lower()
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name in ("", "localhost", socket.gethostname().lower()) or name.endswith(_LOCAL_ENDINGS)
    return address.is_loopback or address.is_private or address.is_unspecified


def _handler(node: "SimulatedNode", route: Route) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        exchange = Exchange(node, request, node.journal.open(route.path), route.dialect)
        outcome = "internal_error"
        try:
            response = await _answered(exchange, route)
            outcome = "ok"
        except Refusal as refusal:
            response, outcome = exchange.refused(refusal), "refused"
        except (asyncio.CancelledError, ConnectionError, ClientError):
            outcome = "disconnected"
            raise
        finally:
            node.journal.close(exchange.record, outcome)
        return response

    return handle


async def _answered(exchange: Exchange, route: Route) -> web.StreamResponse:
    if route.shape is not None:
        exchange.body = read_body(await exchange.request.read(), route.shape)
        exchange.record.model = exchange.model
        exchange.streams = exchange.body.get("stream") is not False
    return await exchange.meet_faults(route.infers) or await route.answer(exchange)
