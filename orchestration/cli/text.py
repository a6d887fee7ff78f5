"""Words for people: text of others without power over the terminal, and short forms of numbers and times."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

_STRING = r"\x1b[P\]X^_].*?(?:\x1b\\|\x07|\x9c)|[\x90\x9d\x98\x9e\x9f].*?(?:\x1b\\|\x07|\x9c)"
_SEQUENCE = re.compile(rf"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|{_STRING}|\x1b[ -/]*[0-OQ-WYZ\\`-~]", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_OPEN_STRING = re.compile(r"(?:\x1b[P\]X^_]|[\x90\x9d\x98\x9e\x9f])[^\x07\x9c]*\Z")
_OPEN_SEQUENCE = re.compile(r"(?:\x1b(?:\[[0-?]*[ -/]*|[ -/]*)|\x9b[0-?]*[ -/]*|\r)\Z")
HELD_MOST = 4096


def plain(text: Any) -> str:
    """Without escape sequences and control characters; new lines and tabs stay."""
    unified = str(text).replace("\r\n", "\n")
    return _CONTROL.sub("", _SEQUENCE.sub("", unified))


def line(text: Any, most: int = 0) -> str:
    """The same on one line, cut where it is longer than ``most``."""
    words = " ".join(plain(text).split())
    return words[: most - 1] + "…" if most and len(words) > most else words


class Cleaner:
    """``plain`` for text that comes in pieces: a sequence that is cut in two is still taken out whole."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> str:
        text = _SEQUENCE.sub("", self._held + piece)
        match = _OPEN_STRING.search(text) or _OPEN_SEQUENCE.search(text)
        self._held = match.group() if match and len(match.group()) <= HELD_MOST else ""
        return plain(text[: len(text) - len(self._held)])

    def rest(self) -> str:
        held, self._held = self._held, ""
        return plain(held)


def number(value: float | int | None) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def seconds(value: float | None) -> str:
    """``0.4 s``, ``12 s``, ``3 min 5 s``, ``2 h 10 min``."""
    if value is None:
        return ""
    if value < 9.95:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def size(value: int | None) -> str:
    if value is None:
        return ""
    amount = float(value)
    for unit in ("B", "KB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def ago(stamp: str | None, now: datetime | None = None) -> str:
    """``5 s ago``; empty where there was no such moment."""
    if not stamp:
        return ""
    passed = (now or datetime.now(UTC)) - datetime.fromisoformat(stamp)
    whole = max(0, int(passed.total_seconds()))
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if whole >= length:
            return f"{whole // length} {unit} ago"
    return f"{whole} s ago"


def listed(values: Iterable[Any]) -> str:
    return ", ".join(line(value) for value in values)


def counted(amount: int, noun: str) -> str:
    """``1 task``, ``3 tasks``."""
    return f"{amount:,} {noun}" if amount == 1 else f"{amount:,} {noun}s"
