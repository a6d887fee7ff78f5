"""Times and JSON as a Go program writes them: trimmed nanoseconds, escaped angle brackets, empty fields left out."""

import json
import time
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

FOREVER = float("inf")
_FOREVER_NANOSECONDS = 2**63 - 1
_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


@lru_cache(maxsize=8)
def _utc_second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


@lru_cache(maxsize=256)
def _local_second(second: int) -> tuple[str, str]:
    moment = datetime.fromtimestamp(second).astimezone()
    offset = moment.strftime("%z")
    zone = "Z" if offset == "+0000" else f"{offset[:3]}:{offset[3:5]}"
    return moment.strftime("%Y-%m-%dT%H:%M:%S"), zone


def _fraction(nanoseconds: int) -> str:
    return f".{nanoseconds:09d}".rstrip("0") if nanoseconds else ""


def utc_stamp(nanoseconds: int | None = None) -> str:
    second, rest = divmod(time.time_ns() if nanoseconds is None else nanoseconds, 1_000_000_000)
    return f"{_utc_second(second)}{_fraction(rest)}Z"


def local_stamp(nanoseconds: int) -> str:
    second, rest = divmod(nanoseconds, 1_000_000_000)
    text, zone = _local_second(second)
    return f"{text}{_fraction(rest)}{zone}"


def after(now_nanoseconds: int, seconds: float) -> int:
    """The moment a keep-alive ends; forever lies 292 years ahead."""
    span = _FOREVER_NANOSECONDS if seconds == FOREVER else min(int(seconds * 1e9), _FOREVER_NANOSECONDS)
    return now_nanoseconds + span


def encode(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.translate(_ESCAPES).encode("utf-8", "replace")


def encode_text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).translate(_ESCAPES)


def without_empty(values: Mapping[str, Any]) -> dict[str, Any]:
    """Fields that Go omits when empty: zero counts, empty texts and lists, absent objects."""
    return {key: value for key, value in values.items() if value not in (None, "", 0, [], {}, ())}
