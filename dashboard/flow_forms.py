"""Forms around workflows: the inputs of a run, an empty definition to begin with, and complaints as lists."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestration.errors import DroverError


def blank() -> dict[str, Any]:
    """A workflow of one step, to be filled in."""
    return {"name": "", "steps": [{"name": "first", "type": "generate", "input": ""}]}


def listed_problems(error: DroverError) -> list[dict[str, Any]]:
    """Each with message, and step, number, field, line where known."""
    problems = error.detail.get("problems")
    if isinstance(problems, list):
        return problems
    return [{"message": error.message, "field": error.detail.get("field", ""), "line": error.detail.get("line")}]


@dataclass(frozen=True, slots=True, kw_only=True)
class InputField:
    name: str
    value: str
    required: bool
    description: str
    rows: int


class RunForm:
    """The inputs of a workflow as fields. What is no text by default is written and read as JSON."""

    def __init__(self, definition: Mapping[str, Any], sent: Mapping[str, str] | None = None) -> None:
        self._inputs: Mapping[str, Any] = definition.get("inputs") or {}
        self._sent = sent
        self.problem = ""

    @property
    def fields(self) -> list[InputField]:
        return [self._field(name, told or {}) for name, told in self._inputs.items()]

    def _field(self, name: str, told: Mapping[str, Any]) -> InputField:
        default = told.get("default")
        text = (
            default if isinstance(default, str) else "" if default is None else json.dumps(default, ensure_ascii=False)
        )
        value = self._sent.get(f"input.{name}", "") if self._sent is not None else text
        return InputField(
            name=name,
            value=value,
            required=bool(told.get("required")),
            description=told.get("description", ""),
            rows=min(8, 1 + value.count("\n") + len(value) // 80),
        )

    def values(self) -> dict[str, Any]:
        return {each.name: self._value(each) for each in self.fields}

    def _value(self, each: InputField) -> Any:
        default = (self._inputs[each.name] or {}).get("default")
        text = each.value.replace("\r\n", "\n")
        if default is None or isinstance(default, str):
            return text
        try:
            return json.loads(text)
        except ValueError:
            return text
