"""A server process for test_server: an endless download, an endless socket, and how much of them was written."""

import asyncio
import json
import sys
from typing import Any

import django

django.setup()

# ruff: noqa: E402
from daphne.endpoints import build_endpoint_description_strings

from dashboard import server

CHUNK = b"x" * 65_536
LONGEST_BODY = 1_000_000
LARGE = 3 * server.WEBSOCKET_MESSAGE_BYTES
WRITTEN = {"http": 0, "socket": 0}


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        if scope["path"] == "/large":
            await send({"type": "websocket.send", "text": "x" * LARGE})
        await endless_socket(send) if scope["path"] == "/endless" else await asyncio.sleep(3600)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/written":
        await send({"type": "http.response.body", "body": json.dumps(WRITTEN).encode()})
    elif scope["path"] == "/soon":
        await send({"type": "http.response.body", "body": b"begin ", "more_body": True})
        await asyncio.sleep(0.5)
        await send({"type": "http.response.body", "body": b"end"})
    else:
        await endless(send, int(scope["path"].lstrip("/")))


async def endless_socket(send: Any) -> None:
    while True:
        await send({"type": "websocket.send", "text": "x" * 65_536})
        WRITTEN["socket"] += 65_536
        await asyncio.sleep(0)


async def endless(send: Any, chunks: int) -> None:
    for _ in range(chunks):
        await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
        WRITTEN["http"] += len(CHUNK)
        await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": b""})


if __name__ == "__main__":
    endpoints = build_endpoint_description_strings(host="127.0.0.1", port=int(sys.argv[1]))
    bounds = {**server.INCOMING, "longest_body": LONGEST_BODY}
    server.run(server.PatientServer(application, endpoints=endpoints, signal_handlers=False, **bounds))
