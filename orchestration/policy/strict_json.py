"""JSON as the standard has it, with nothing in it that a database cannot keep: no NaN, no NUL, no half characters."""

import json
import math
from collections.abc import Iterable, Iterator
from typing import Any

from orchestration.errors import InvalidInput

DEEPEST = 100
"""Objects and lists inside one another."""


def read_json(text: bytes) -> Any:
    """Raises InvalidInput for what cannot be kept, ValueError or RecursionError for what is no JSON at all."""
    data = json.loads(text.decode(), parse_constant=_refuse_constant, parse_float=_finite)
    refuse_deep(data)
    if b"\\u" in text or b"\x00" in text:
        _refuse_unstorable(data)
    return data


def _refuse_constant(name: str) -> None:
    raise InvalidInput(f"This is not valid JSON: {name} is not a number there.")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise InvalidInput(f"The number {digits[:40]} is too large.")
    return number


def refuse_deep(data: Any) -> None:
    """Raises InvalidInput. What can just be read could not be written again, with more on the stack."""
    level = [data]
    for _ in range(DEEPEST):
        level = [part for item in level for part in _parts(item) if isinstance(part, dict | list)]
        if not level:
            return
    raise InvalidInput("This is nested too deeply.")


def _parts(item: Any) -> Iterable[Any]:
    return item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()


def _refuse_unstorable(data: Any) -> None:
    for text in _texts(data):
        if "\x00" in text:
            raise InvalidInput("A text contains the character NUL (\\u0000), which cannot be stored.")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidInput("A text contains half of a surrogate pair (\\ud800 to \\udfff).") from error


def _texts(data: Any) -> Iterator[str]:
    waiting = [data]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            waiting += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            waiting += item
