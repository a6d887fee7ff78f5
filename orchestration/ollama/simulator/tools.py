"""Which tool an answer calls, and with which arguments."""

import re
import string
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from .structured import Inventor

_WORD = re.compile(r"[a-z0-9]{3,}")
_QUOTED = re.compile(r"[\"'“‘]([^\"'”’]{1,60})[\"'”’]")
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][\w-]+(?: [A-Z][\w-]+)*")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_ID_ALPHABET = string.ascii_lowercase + string.digits


def wants_tool(tools: Sequence[Mapping[str, Any]], messages: Sequence[Mapping[str, Any]]) -> bool:
    """A result of a tool is answered in words; what a person says is answered with a call."""
    return bool(tools) and bool(messages) and messages[-1].get("role") == "user"


def tool_calls(tools: Sequence[Mapping[str, Any]], prompt: str, shape: str, random: Random) -> list[dict[str, Any]]:
    function = _best(tools, prompt)
    arguments = _arguments(function.get("parameters") or {}, prompt, random)
    call = {"index": 0, "name": function.get("name", ""), "arguments": arguments}
    return [{"id": _call_id(shape, random), "function": call}]


def _call_id(shape: str, random: Random) -> str:
    if shape == "native":
        return "".join(random.choices(string.ascii_letters + string.digits, k=32))
    return "call_" + "".join(random.choices(_ID_ALPHABET, k=8))


def _best(tools: Sequence[Mapping[str, Any]], prompt: str) -> Mapping[str, Any]:
    asked = set(_WORD.findall(prompt.lower()))

    def overlap(function: Mapping[str, Any]) -> int:
        words = f"{function.get('name', '')} {function.get('description', '')}".replace("_", " ").lower()
        return len(asked & set(_WORD.findall(words)))

    functions: list[Mapping[str, Any]] = [tool.get("function") or {} for tool in tools]
    return max(functions, key=overlap)


def _arguments(schema: Mapping[str, Any], prompt: str, random: Random) -> dict[str, Any]:
    invented = Inventor(schema, prompt, random).value({**schema, "type": "object"})
    properties: Mapping[str, Any] = schema.get("properties") or {}
    texts = [*_QUOTED.findall(prompt), *_NAME.findall(prompt)]
    numbers = _NUMBER.findall(prompt)
    for name, wanted in properties.items():
        kind = wanted.get("type") if isinstance(wanted, Mapping) and not wanted.get("enum") else None
        if kind == "string" and texts:
            invented[name] = texts.pop(0)
        elif kind in ("integer", "number") and numbers:
            number = float(numbers.pop(0))
            invented[name] = int(number) if kind == "integer" else number
    return dict(invented)
