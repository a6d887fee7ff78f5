"""The one exception by which the simulated server answers with an error."""

import json


class Refusal(Exception):
    """An error answer: before the first object an HTTP status, afterwards an error line.

    ``in_stream`` marks errors of the generating part, which a streaming call labels with a bare content type.
    """

    def __init__(self, status: int, message: str, *, in_stream: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.in_stream = in_stream


def runner_refusal(status: int, message: str, kind: str, **extra: object) -> Refusal:
    """What the engine below says arrives as its whole JSON body, wrapped in a string."""
    body = {"error": {"code": status, "message": message, "type": kind, **extra}}
    return Refusal(status, json.dumps(body, separators=(",", ":")), in_stream=True)
