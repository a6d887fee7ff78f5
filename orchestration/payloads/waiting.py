"""Why a task waits, on the wire."""

from typing import NamedTuple

from typing_extensions import TypedDict


class WaitingPayload(TypedDict):
    """Why a task waits, its place in line and when it is expected to start. None and empty: not known.

    ``code`` is for programs, ``words`` for people. ``place`` is 1 for the next to start; with several users the order
    depends on what each receives meanwhile, so it is at best ``place`` and at worst ``place_latest``. Seconds count
    from now; ``since`` and ``expected_seconds`` tell of a load in progress. ``line`` and ``start`` are the same in
    words, and ``waiting_reason`` of the task is all of it in one line.
    """

    code: str
    words: str
    line: str
    start: str
    place: int | None
    place_latest: int | None
    earliest_seconds: float | None
    latest_seconds: float | None
    since: str | None
    expected_seconds: float | None


class Wait(NamedTuple):
    """``sentence``: all of it in one line."""

    sentence: str
    detail: WaitingPayload
