"""JSON that is valid under a schema: types, enumerations, required fields, nesting, bounds."""

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from .text import topics_of

_FORMATS = {
    "date": "2026-03-14",
    "date-time": "2026-03-14T09:30:00Z",
    "time": "09:30:00Z",
    "email": "someone@example.org",
    "uri": "https://example.org/",
    "uuid": "3f2b1c9e-5d74-4a86-9b0e-6c1d2e8f7a55",
    "ipv4": "192.0.2.7",
    "hostname": "example.org",
}
_DEEPEST = 12


class Inventor:
    """Makes values for schemas out of the words of a prompt."""

    def __init__(self, root: Mapping[str, Any], prompt: str, random: Random) -> None:
        self._root = root
        self._random = random
        self._words = topics_of(prompt)

    def value(self, schema: Any, name: str = "", depth: int = 0) -> Any:
        if not isinstance(schema, Mapping):
            return self._word()
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._random.choice(list(schema["enum"]))
        for key in ("anyOf", "oneOf"):
            if schema.get(key):
                return self.value(self._alternative(schema[key], depth), name, depth)
        return self._typed(schema, self._type(schema, depth), name, depth)

    def free_object(self) -> dict[str, Any]:
        words = self._random.sample(self._words, min(3, len(self._words)))
        return {word: self._random.choice((self._word(), self._random.randint(1, 99), True)) for word in words}

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        for _ in range(_DEEPEST):
            reference = schema.get("$ref")
            if not isinstance(reference, str):
                break
            schema = self._target(reference)
        merged = dict(schema)
        for part in merged.pop("allOf", ()):
            part = self._resolved(part)
            merged = {
                **merged,
                **part,
                "properties": {**merged.get("properties", {}), **part.get("properties", {})},
                "required": [*merged.get("required", ()), *part.get("required", ())],
            }
        return merged

    def _target(self, reference: str) -> Mapping[str, Any]:
        found: Any = self._root
        for step in reference.removeprefix("#").strip("/").split("/"):
            if step:
                found = found.get(step.replace("~1", "/").replace("~0", "~"), {}) if isinstance(found, Mapping) else {}
        return found if isinstance(found, Mapping) else {}

    def _alternative(self, choices: Sequence[Any], depth: int) -> Any:
        flat = [choice for choice in choices if isinstance(choice, Mapping) and choice.get("type") == "null"]
        return flat[0] if flat and depth >= _DEEPEST else choices[0]

    def _type(self, schema: Mapping[str, Any], depth: int) -> str:
        kind = schema.get("type")
        if isinstance(kind, list):
            is_done = "null" in kind and depth >= _DEEPEST
            kind = next((one for one in kind if one != "null" and not is_done), "null")
        if isinstance(kind, str):
            return kind
        if "properties" in schema or "required" in schema:
            return "object"
        return "array" if "items" in schema else "string"

    def _typed(self, schema: Mapping[str, Any], kind: str, name: str, depth: int) -> Any:
        match kind:
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, name, depth)
            case "integer":
                return self._number(schema, whole=True)
            case "number":
                return self._number(schema, whole=False)
            case "boolean":
                return self._random.random() < 0.5
            case "null":
                return None
            case _:
                return self._string(schema, name)

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties: Mapping[str, Any] = schema.get("properties") or {}
        required = list(schema.get("required") or ())
        # Optional fields end recursion through references.
        names = [name for name in properties if name in required or depth < 3]
        names += [name for name in required if name not in properties]
        return {name: self.value(properties.get(name, {}), name, depth + 1) for name in names}

    def _array(self, schema: Mapping[str, Any], name: str, depth: int) -> list[Any]:
        if prefix := schema.get("prefixItems"):
            return [self.value(item, name, depth + 1) for item in prefix]
        least = int(schema.get("minItems", 0))
        wanted = max(least, 0 if depth >= _DEEPEST // 2 else self._random.randint(1, 3))
        length = min(wanted, int(schema.get("maxItems", max(wanted, least))))
        items: list[Any] = []
        for _ in range(length * (20 if schema.get("uniqueItems") else 1)):
            item = self.value(schema.get("items", {}), name, depth + 1)
            if len(items) < length and not (schema.get("uniqueItems") and item in items):
                items.append(item)
        return items

    def _number(self, schema: Mapping[str, Any], *, whole: bool) -> int | float:
        step = 1 if whole else 0.1
        low = schema.get("minimum")
        high = schema.get("maximum")
        if isinstance(above := schema.get("exclusiveMinimum"), int | float):
            low = above + step if low is None else max(low, above + step)
        if isinstance(below := schema.get("exclusiveMaximum"), int | float):
            high = below - step if high is None else min(high, below - step)
        bottom = low if low is not None else (min(0, high - 100) if high is not None else 1)
        top = high if high is not None else bottom + 100
        if whole:
            return self._multiple(schema, math.ceil(bottom), math.floor(top))
        inside = round(self._random.uniform(bottom, top), 2)
        return max(bottom, min(top, inside))

    def _multiple(self, schema: Mapping[str, Any], bottom: int, top: int) -> int:
        factor = schema.get("multipleOf", 1)
        if not isinstance(factor, int) or factor < 1:
            factor = 1
        return self._random.randint(math.ceil(bottom / factor), max(math.ceil(bottom / factor), top // factor)) * factor

    def _string(self, schema: Mapping[str, Any], name: str) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        text = f"{self._word()} {name.replace('_', ' ')}".strip()
        while len(text) < int(schema.get("minLength", 0)):
            text += f" {self._word()}"
        return text[: int(schema.get("maxLength", len(text)))]

    def _word(self) -> str:
        return self._random.choice(self._words)
