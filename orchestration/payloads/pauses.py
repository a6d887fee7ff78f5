"""Pauses on the wire."""

from typing_extensions import TypedDict


class PausePayload(TypedDict):
    """``key``: a priority (0 to 2), an agent's id or a model's full name; ``words`` say it all to people."""

    kind: str
    key: str
    name: str
    words: str
    note: str
    paused_by: str
    paused_at: str
