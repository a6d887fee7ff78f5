"""Lists in answers: what a fan-out step makes one task each of."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from orchestration.errors import InvalidInput
from orchestration.policy.storing import all_storable
from orchestration.policy.strict_json import refuse_deep

_MARK = re.compile(r"^\s*(?:[-*•]|\d{1,4}[.)])\s+")
_FENCE = re.compile(r"```[\w-]*")


def items_of(text: str) -> list[Any]:
    """The items of a JSON array, also of one in a fenced block; else the lines that say something, without marks.

    Nothing in them is what no database keeps: models escape zero characters, and write numbers that are none.
    """
    for candidate in (text, "\n".join(_fenced(text))):
        try:
            found = json.loads(candidate, parse_constant=str, parse_float=_number)
            refuse_deep(found)
        except (ValueError, RecursionError, InvalidInput):
            continue
        if isinstance(found, list):
            return [all_storable(item) for item in found]
    return [item for line in text.splitlines() if (item := _MARK.sub("", line).strip())]


def _fenced(text: str) -> Iterator[str]:
    """The lines of the first fenced block."""
    inside = False
    for line in text.splitlines():
        if inside and line.rstrip() == "```":
            return
        if inside:
            yield line
        inside = inside or bool(_FENCE.fullmatch(line.rstrip()))


def _number(digits: str) -> float | str:
    number = float(digits)
    return number if math.isfinite(number) else digits
