"""Lists in answers: what a fan-out step makes one task each of."""

import json
import re
from typing import Any

_MARK = re.compile(r"^\s*(?:[-*•]|\d{1,4}[.)])\s+")
_FENCED = re.compile(r"^```[\w-]*\n(.*?)\n```\s*$", re.DOTALL | re.MULTILINE)


def items_of(text: str) -> list[Any]:
    """The items of a JSON array, also of one in a fenced block; else the lines that say something, without marks."""
    fenced = _FENCED.search(text)
    for candidate in (text, fenced[1] if fenced else ""):
        try:
            found = json.loads(candidate)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, list):
            return found
    return [item for line in text.splitlines() if (item := _MARK.sub("", line).strip())]
