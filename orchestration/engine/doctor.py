"""The connection doctor: six checks of one Ollama server, each with its cause and what mends it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from urllib.parse import urlsplit

from django.conf import settings

from orchestration.engine.clients import new_client
from orchestration.errors import DroverError, InvalidNodeAddress, Refused, SecretsUnreadable
from orchestration.ollama.addresses import AddressPolicy, check_address, check_url
from orchestration.ollama.client import OllamaClient, Timeouts
from orchestration.ollama.wire import InstalledModel

CHECKS = ("DNS", "TCP", "Version", "Models", "Generate", "Stream")
_TEST_PATIENCE = timedelta(seconds=120)
_TOKENS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """``ok`` is None for a check that could not be made because an earlier one failed."""

    name: str
    ok: bool | None
    message: str
    fix: str = ""


class _Failed(Exception):
    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


async def check_node(
    base_url: str, *, verify_tls: bool = True, model: str | None = None, headers: str = ""
) -> list[Check]:
    """All six, in order; after the first failure the rest is not tried. Raises InvalidNodeAddress."""
    return [check async for check in checks(base_url, verify_tls=verify_tls, model=model, headers=headers)]


async def checks(
    base_url: str, *, verify_tls: bool = True, model: str | None = None, headers: str = ""
) -> AsyncIterator[Check]:
    """One after the other, as they are known. ``model``: the one to test with; else the smallest installed one.
    ``headers``: sealed; a check of their own comes first where no key opens them."""
    url = check_url(base_url, AddressPolicy(allow_private=settings.DROVER_ALLOW_PRIVATE_NODES))
    try:
        client = new_client(url, verify_tls=verify_tls, headers=headers)
    except SecretsUnreadable as error:
        yield Check(name="Headers", ok=False, message=error.message)
        for name in CHECKS:
            yield Check(name=name, ok=None, message="not tried")
        return
    examination = _Examination(url, client, model)
    failed = False
    try:
        for name, step in examination.steps():
            if failed:
                yield Check(name=name, ok=None, message="not tried")
                continue
            check = await _run(name, step)
            failed = not check.ok
            yield check
    finally:
        await examination.client.aclose()


async def _run(name: str, step: Callable[[], Awaitable[str]]) -> Check:
    try:
        return Check(name=name, ok=True, message=await step())
    except _Failed as failure:
        return Check(name=name, ok=False, message=failure.message, fix=failure.fix)
    except DroverError as error:
        return Check(name=name, ok=False, message=error.message, fix=_fix(name, error))


def _fix(name: str, error: DroverError) -> str:
    if isinstance(error, Refused) and error.status in _UNKNOWN_TO_IT:
        return "It wants to know who asks: enter its token, or user and password, with the node in Drover."
    if isinstance(error, Refused) and error.status == HTTPStatus.FORBIDDEN:
        return _FIX_FORBIDDEN
    return _OF_CAUSE.get(str(error.detail.get("cause")), "") or _FIXES.get(name, "")


_UNKNOWN_TO_IT = (HTTPStatus.UNAUTHORIZED, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED)
_FIX_FORBIDDEN = (
    "The proxy forbids it, or Ollama does not know the name it is called by: use the server's IP address, or let the "
    "proxy set the header Host to localhost."
)
_OF_CAUSE = {
    "tls_certificate": "Put the certificate of your own authority into the system's store of Drover's machine: "
    "sudo cp ca.crt /usr/local/share/ca-certificates/ && sudo update-ca-certificates",
    "tls": "Ollama itself speaks no TLS: use http://, or check the proxy in front of it.",
}


_FIXES = {
    "Version": "Something answers on this port, but not as Ollama does: check the address and any proxy in between.",
    "Models": "Look at the server's log: journalctl -u ollama",
    "Generate": "Try it on the server: ollama run MODEL hello — and look at its log: journalctl -u ollama",
    "Stream": "A proxy in between may hold the stream back: turn off its buffering (nginx: proxy_buffering off).",
}


class _Examination:
    """The steps share what the earlier ones found out."""

    def __init__(self, url: str, client: OllamaClient, model: str | None) -> None:
        parts = urlsplit(url)
        self.client = client
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._addresses: list[str] = []
        self._installed: Sequence[InstalledModel] = ()
        self._model = model

    def steps(self) -> list[tuple[str, Callable[[], Awaitable[str]]]]:
        steps = (self._dns, self._tcp, self._version, self._models, self._generate, self._stream)
        return list(zip(CHECKS, steps, strict=True))

    async def _dns(self) -> str:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise _Failed(
                f"{self._host} has no address: {error.strerror}",
                "Check the spelling, or use the server's IP address.",
            ) from error
        self._addresses = list(dict.fromkeys(str(item[4][0]) for item in found))
        try:
            for address in self._addresses:
                check_address(address, AddressPolicy(allow_private=settings.DROVER_ALLOW_PRIVATE_NODES))
        except InvalidNodeAddress as error:
            raise _Failed(error.message) from error
        return f"{self._host} is {', '.join(self._addresses)}"

    async def _tcp(self) -> str:
        for address in self._addresses[:-1]:  # one that answers is enough, as for the client
            with suppress(OSError):
                return await self._connect(address)
        try:
            return await self._connect(self._addresses[-1])
        except TimeoutError as error:
            raise _Failed(
                f"port {self._port} does not answer",
                f"A firewall drops the packets, or the machine is off. On the server: sudo ufw allow {self._port}/tcp",
            ) from error
        except OSError as error:
            raise _Failed(
                f"port {self._port} refuses: nothing listens there, or it listens on 127.0.0.1 only",
                "On the server: sudo systemctl edit ollama, add Environment=OLLAMA_HOST=0.0.0.0 under [Service], "
                "then sudo systemctl restart ollama",
            ) from error

    async def _connect(self, address: str) -> str:
        async with asyncio.timeout(settings.DROVER_CONNECT_TIMEOUT.total_seconds()):
            _, writer = await asyncio.open_connection(address, self._port)
        writer.close()
        return f"port {self._port} is open"

    async def _version(self) -> str:
        return f"Ollama {await self.client.version()}"

    async def _models(self) -> str:
        self._installed = await self.client.tags()
        if not self._installed:
            raise _Failed("no model is installed", "On the server: ollama pull llama3.2")
        return f"{len(self._installed)} installed"

    async def _generate(self) -> str:
        model = await self._test_model()
        chunks = await self._ask(model)
        return f"{model} answers" if chunks else f"{model} answered nothing"

    async def _stream(self) -> str:
        pieces = await self._ask(await self._test_model())
        if pieces < 2:
            raise _Failed("the answer came in one piece", _FIXES["Stream"])
        return f"{pieces} pieces, one by one"

    async def _test_model(self) -> str:
        if self._model is None:
            self._model = await self._smallest_that_writes()
        return self._model

    async def _smallest_that_writes(self) -> str:
        for item in sorted(self._installed, key=lambda item: item.size_bytes):
            if not item.remote and "embedding" not in (await self.client.described(item)).capabilities:
                return item.name
        raise _Failed("only embedding models are installed", "On the server: ollama pull llama3.2")

    async def _ask(self, model: str) -> int:
        """How many pieces a short answer came in."""
        patience = Timeouts(first_object=_TEST_PATIENCE, between_objects=_TEST_PATIENCE)
        options = {"num_predict": _TOKENS, "num_ctx": settings.DROVER_DEFAULT_NUM_CTX}
        answer = self.client.generate(model=model, prompt="Say hello.", options=options, timeouts=patience)
        async with aclosing(answer) as chunks:
            return len([chunk async for chunk in chunks if chunk.text or chunk.thinking])
