"""Requests as they come in: one with too long a body is refused before it fills the disk, whoever sends it."""
# mypy: disable-error-code="no-untyped-call"

import json
from typing import Any

from daphne.http_protocol import HTTPFactory, WebRequest

FORM_BYTES = 1024 * 1024
"""For the other fields of a form with files."""


def longest_body() -> int:
    """Whatever any page or route takes, at most."""
    from django.conf import settings

    from orchestration.services.specs import MAX_IMAGE_BYTES, MAX_IMAGES

    largest = (settings.DROVER_MAX_BODY_BYTES, settings.DROVER_MAX_DOCUMENT_BYTES, MAX_IMAGES * MAX_IMAGE_BYTES)
    return max(largest) + FORM_BYTES


class BoundedRequest(WebRequest):
    """The library would keep all of it in a file before anybody is asked who sends it."""

    longest = 0
    received = 0
    refused = False

    def gotLength(self, length: int | None) -> None:
        super().gotLength(length)
        if length is not None and length > self.longest:
            self._refuse()

    def handleContentChunk(self, data: bytes) -> None:
        self.received += len(data)
        if self.received > self.longest:
            self._refuse()
        if not self.refused:
            super().handleContentChunk(data)

    def requestReceived(self, *line: bytes) -> None:
        if not self.refused:
            super().requestReceived(*line)

    def _refuse(self) -> None:
        if self.refused:
            return
        self.refused = True
        words = f"The body is larger than the {self.longest:,} bytes that are allowed."
        error = {"code": "payload_too_large", "message": words, "detail": {"limit_bytes": self.longest}}
        body = json.dumps({"error": error}).encode()
        head = f"HTTP/1.1 413 Content Too Large\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        transport: Any = self.channel.transport
        transport.write(head.encode() + b"Connection: close\r\n\r\n" + body)
        self.channel.loseConnection()


class BoundedFactory(HTTPFactory):
    def __init__(self, server: Any, longest: int) -> None:
        super().__init__(server)
        self._requests = type("Request", (BoundedRequest,), {"longest": longest})

    def buildProtocol(self, address: Any) -> Any:
        protocol = super().buildProtocol(address)
        protocol.requestFactory = self._requests
        return protocol
