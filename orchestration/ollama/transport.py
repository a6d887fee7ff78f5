"""The sockets under httpx: unlimited in number, each address checked before it is connected to, dead peers noticed."""

import functools
import socket
import ssl
from typing import Final

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from httpx_aiohttp import AiohttpTransport

from orchestration.errors import InvalidNodeAddress
from orchestration.ollama.addresses import AddressPolicy, check_address

# Below the 5 s after which common reverse proxies drop an idle connection: a POST must not meet that moment.
_IDLE_CONNECTION_SECONDS: Final = 4
# A request may wait many minutes without a byte; this keeps routers from forgetting the connection.
_KEEP_ALIVE_OPTIONS: Final = (("TCP_KEEPIDLE", 30), ("TCP_KEEPALIVE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 6))

AddrInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[object, ...]]


def guarded_transport(policy: AddressPolicy, *, verify_tls: bool) -> httpx.AsyncBaseTransport:
    context = _tls_context(verify_tls)
    return AiohttpTransport(verify=context, trust_env=False, client=functools.partial(_open_session, policy, context))


class GuardedResolver(AbstractResolver):
    """Leaves out the addresses that the policy forbids, whatever the name resolves to today."""

    def __init__(self, policy: AddressPolicy, resolver: AbstractResolver) -> None:
        self._policy = policy
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        allowed: list[ResolveResult] = []
        refusal: InvalidNodeAddress | None = None
        for found in await self._resolver.resolve(host, port, family):
            try:
                check_address(found["host"], self._policy)
            except InvalidNodeAddress as exc:
                refusal = exc
            else:
                allowed.append(found)
        if refusal is not None and not allowed:
            raise refusal
        return allowed

    async def close(self) -> None:
        await self._resolver.close()


def _open_session(policy: AddressPolicy, context: ssl.SSLContext) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        limit=0,
        resolver=GuardedResolver(policy, aiohttp.ThreadedResolver()),
        keepalive_timeout=_IDLE_CONNECTION_SECONDS,
        ssl=context,
        socket_factory=functools.partial(_open_socket, policy),
    )
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)


def _open_socket(policy: AddressPolicy, address: AddrInfo) -> socket.socket:
    # aiohttp asks no resolver about an address that is written as numbers; here nothing gets past.
    family, kind, protocol, _, endpoint = address
    check_address(str(endpoint[0]), policy)
    opened = socket.socket(family, kind, protocol)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEP_ALIVE_OPTIONS:
        if hasattr(socket, name):
            opened.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return opened


@functools.cache
def _tls_context(verify: bool) -> ssl.SSLContext:
    """One for all nodes: building a trust store takes longer than a request."""
    context = httpx.create_ssl_context(verify=verify)
    if verify:
        # A team's own certificate authority is in the system's store, not in the bundled one.
        context.load_default_certs()
    return context
