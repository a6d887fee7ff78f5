"""Placeholders in prompts: ``{{name}}`` and ``{{steps.name.output}}``, filled in a single pass.

What is filled in is never looked at again: a placeholder inside a model's answer stays text. ``\\{{name}}`` is written
as it stands, without the backslash; braces around anything that is no name are text.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

_PLACEHOLDER = re.compile(r"(\\?)\{\{[ \t]*([A-Za-z_][\w-]*(?:\.[\w-]+)*)[ \t]*\}\}")


class Reference(NamedTuple):
    """``start`` and ``end`` are where it stands in the text, braces included."""

    name: str
    start: int
    end: int


def references(text: str) -> list[Reference]:
    """The placeholders of a text, in their order; those that are written literally are none."""
    found = _PLACEHOLDER.finditer(text)
    return [Reference(match[2], match.start(), match.end()) for match in found if not match[1]]


def fill(text: str, values: Mapping[str, str]) -> str:
    """The text with every placeholder replaced for which there is a value; others stay as they are."""

    def replacement(match: re.Match[str]) -> str:
        return match[0][1:] if match[1] else values.get(match[2], match[0])

    return _PLACEHOLDER.sub(replacement, text)


def filled_length(text: str, values: Mapping[str, str]) -> int:
    """Of what ``fill`` would make. To be asked first where values are long: a text that quotes one of them again and
    again would fill the memory of the machine."""
    length = len(text)
    for match in _PLACEHOLDER.finditer(text):
        if match[1]:
            length -= 1
        elif match[2] in values:
            length += len(values[match[2]]) - len(match[0])
    return length
