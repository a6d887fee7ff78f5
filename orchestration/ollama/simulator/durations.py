"""Go's duration notation and the other spellings of ``keep_alive``."""

import re
from typing import Any

from .refusal import Refusal
from .stamps import FOREVER

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_NUMBER = re.compile(r"\d+\.?\d*|\.\d+")
_UNIT = re.compile(r"[^\d.]*")


def parse_duration(text: str) -> float:
    """Seconds of a text such as ``1h30m``; ``0`` alone needs no unit."""
    sign, rest = (-1.0, text[1:]) if text[:1] == "-" else (1.0, text.removeprefix("+"))
    if rest == "0":
        return 0.0
    if not rest:
        raise Refusal(400, f'time: invalid duration "{text}"')
    seconds = 0.0
    while rest:
        number = _NUMBER.match(rest)
        if number is None:
            raise Refusal(400, f'time: invalid duration "{text}"')
        unit = _UNIT.match(rest, number.end())
        name = unit.group() if unit else ""
        seconds += float(number.group()) * _unit_seconds(name, text)
        rest = rest[number.end() + len(name) :]
    return sign * seconds


def _unit_seconds(name: str, text: str) -> float:
    if not name:
        raise Refusal(400, f'time: missing unit in duration "{text}"')
    if name not in _UNITS:
        raise Refusal(400, f'time: unknown unit "{name}" in duration "{text}"')
    return _UNITS[name]


def keep_alive_seconds(value: Any) -> float:
    """Seconds, infinite for anything negative."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        kind = {bool: "bool", list: "[]interface {}", dict: "map[string]interface {}"}[type(value)]
        raise Refusal(400, f"Unsupported type: '{kind}'")
    seconds = parse_duration(value) if isinstance(value, str) else float(value)
    return FOREVER if seconds < 0 else seconds
