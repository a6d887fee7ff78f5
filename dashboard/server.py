"""Daphne as Drover runs it: it waits for a slow reader instead of buffering for him, and it ends politely."""
# mypy: disable-error-code="no-untyped-call"

import asyncio
import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from daphne.endpoints import build_endpoint_description_strings
from daphne.http_protocol import HTTPFactory
from daphne.server import Server
from daphne.ws_protocol import WebSocketProtocol
from twisted.internet import reactor as twisted_reactor
from twisted.web.http import HTTPChannel

from dashboard.incoming import BoundedFactory, longest_body

log = logging.getLogger(__name__)
reactor: Any = twisted_reactor

STOP_SECONDS = 5.0
GOING_AWAY = 1001
WEBSOCKET_MESSAGE_BYTES = 64 * 1024
INCOMING = {
    "websocket_max_message_size": WEBSOCKET_MESSAGE_BYTES,
    "websocket_max_frame_size": WEBSOCKET_MESSAGE_BYTES,
}


class _Gate:
    """Stands in for whoever writes: closed by the transport while its buffer is full, opened when it is empty."""

    def __init__(self) -> None:
        self.is_open = asyncio.Event()

    def pauseProducing(self) -> None:
        self.is_open.clear()

    def resumeProducing(self) -> None:
        self.is_open.set()

    stopProducing = resumeProducing


@contextmanager
def _outgoing(protocol: Any) -> Iterator[None]:
    """The bound is for what comes in; the library would refuse to send a longer message as well."""
    bound, protocol.maxMessagePayloadSize = protocol.maxMessagePayloadSize, 0
    try:
        yield
    finally:
        protocol.maxMessagePayloadSize = bound


class PatientServer(Server):
    """Daphne whose ``send`` returns only when the transport takes more, so that a generator waits for its reader."""

    def __init__(self, *args: Any, longest_body: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._longest_body = longest_body
        self.connections: dict[Any, dict[str, Any]] = {}
        self.listening_error = ""
        self._gates: dict[HTTPChannel, _Gate] = {}
        self._ports: list[Any] = []
        self._stopping = False

    @property
    def http_factory(self) -> HTTPFactory:
        return self._http_factory

    @http_factory.setter
    def http_factory(self, factory: Any) -> None:
        """Daphne makes one of its own when it starts, and offers no other place for another."""
        self._http_factory = BoundedFactory(self, self._longest_body)

    def listen_success(self, port: Any) -> None:
        super().listen_success(port)
        self._ports.append(port)

    def listen_error(self, failure: Any) -> None:
        self.listening_error = failure.getErrorMessage()
        super().listen_error(failure)

    def protocol_connected(self, protocol: Any) -> None:
        """Forms are read by Django alone: Twisted would read them first, in everybody's way, and refuse some itself."""
        protocol._parsePOSTFormSubmission = False
        super().protocol_connected(protocol)

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        if message["type"] == "websocket.send":
            with _outgoing(protocol):
                await super().handle_reply(protocol, message)
        else:
            await super().handle_reply(protocol, message)
        if message["type"] == "websocket.send" or message.get("more_body"):
            await self._drained(protocol.transport)

    async def _drained(self, transport: Any) -> None:
        """Waits through the channel that Daphne leaves registered with the transport, also below a websocket."""
        channel = getattr(transport, "producer", None)
        if not isinstance(channel, HTTPChannel) or not transport.producerPaused:
            return
        gate = self._gates.get(channel)
        if gate is None:
            gate = self._gates[channel] = _Gate()
            channel.registerProducer(gate, True)
        try:
            await gate.is_open.wait()
        finally:
            if self._gates.pop(channel, None):
                channel.unregisterProducer()

    def begin_stop(self) -> None:
        """Takes no more connections, sends sockets away, lets requests finish. At once when told twice."""
        if self._stopping:
            self.stop()
            return
        self._stopping = True
        for port in self._ports:
            port.stopListening()
        for protocol in list(self.connections):
            if isinstance(protocol, WebSocketProtocol) and protocol.state == protocol.STATE_OPEN:
                protocol.sendCloseFrame(code=GOING_AWAY)
        self._stop_when_idle(reactor.seconds() + STOP_SECONDS)

    def _stop_when_idle(self, deadline: float) -> None:
        busy = any("disconnected" not in details for details in self.connections.values())
        if busy and reactor.seconds() < deadline:
            reactor.callLater(0.05, self._stop_when_idle, deadline)
        else:
            self.stop()

    def kill_all_applications(self) -> Any:
        """Daphne's own stumbles over a connection whose application has ended already."""
        done: dict[str, Any] = {"application_instance": asyncio.Future()}
        done["application_instance"].cancel()
        self.connections = {key: {**done, **details} for key, details in self.connections.items()}
        return super().kill_all_applications()


def serve(host: str, port: int) -> None:
    """Until SIGTERM or SIGINT."""
    from dashboard.asgi import application

    server = PatientServer(
        application,
        endpoints=build_endpoint_description_strings(host=host, port=port),
        signal_handlers=False,
        websocket_timeout=-1,
        server_name="drover",
        longest_body=longest_body(),
        **INCOMING,
    )
    run(server)


def run(server: PatientServer) -> None:
    loop = reactor._asyncioEventloop
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.begin_stop)
    server.run()
    if server.listening_error:
        raise SystemExit(f"The web server could not start: {server.listening_error}")
