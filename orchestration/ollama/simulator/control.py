"""``/_simulator/``: the node's own truth and its switches, for callers on this machine only."""

import ipaddress
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from .faults import Fault

if TYPE_CHECKING:
    from .node import SimulatedNode

_Action = Callable[["SimulatedNode", Any], dict[str, Any]]


def add_routes(app: web.Application, node: "SimulatedNode") -> None:
    for method, path, action in (
        ("GET", "state", _state),
        ("GET", "faults", _faults),
        ("PUT", "faults", _replace_faults),
        ("POST", "faults", _add_faults),
        ("DELETE", "faults", _clear_faults),
        ("GET", "config", _config),
        ("POST", "config", _configure),
        ("GET", "nodes", _nodes),
    ):
        app.router.add_route(method, f"/_simulator/{path}", _guarded(node, action))


def _guarded(node: "SimulatedNode", action: _Action) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        if not _is_loopback(request.remote):
            return web.Response(status=403)
        try:
            target = node.sibling(request.query.get("node", ""))
            raw = await request.read()
            return web.json_response(action(target, json.loads(raw) if raw else None))
        except (ValueError, TypeError, LookupError) as error:
            return web.json_response({"error": str(error)}, status=400)

    return handle


def _is_loopback(remote: str | None) -> bool:
    return remote is not None and ipaddress.ip_address(remote).is_loopback


def _state(node: "SimulatedNode", _body: Any) -> dict[str, Any]:
    return node.state()


def _nodes(node: "SimulatedNode", _body: Any) -> dict[str, Any]:
    return {"nodes": {name: sibling.url for name, sibling in node.siblings.items()}}


def _faults(node: "SimulatedNode", _body: Any) -> dict[str, Any]:
    return {"faults": node.faults.listing(), "struck": dict(node.faults.struck)}


def _read(body: Any) -> list[Fault]:
    if isinstance(body, dict) and "faults" in body:
        body = body["faults"]
    return [Fault.from_dict(entry) for entry in (body if isinstance(body, list) else [body])]


def _replace_faults(node: "SimulatedNode", body: Any) -> dict[str, Any]:
    node.faults.replace(*_read(body))
    return _faults(node, None)


def _add_faults(node: "SimulatedNode", body: Any) -> dict[str, Any]:
    node.faults.add(*_read(body))
    return _faults(node, None)


def _clear_faults(node: "SimulatedNode", _body: Any) -> dict[str, Any]:
    node.faults.clear()
    return _faults(node, None)


def _config(node: "SimulatedNode", _body: Any) -> dict[str, Any]:
    return node.config()


def _configure(node: "SimulatedNode", body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise ValueError("send an object of settings")
    return node.configure(**body)
