"""Workflows as YAML, both ways: plain data only, no aliases, and every complaint with its line."""

import math
import re
from collections.abc import Mapping
from typing import Any

import yaml

from orchestration.errors import InvalidInput, InvalidWorkflow
from orchestration.policy.workflows import Problem

LONGEST = 512 * 1024
_DEEPEST = 40
_WIDTH = 100


class _Loader(yaml.SafeLoader):
    """YAML as people mean it: what looks like JSON is that, all else is text (also ``no``, ``1:30`` and dates)."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "aliases are not taken", self.peek_event().start_mark)  # type: ignore[no-untyped-call]
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "tag", None) is not None:  # they would make dates, sets, bytes
            raise yaml.composer.ComposerError(None, None, "tags are not taken", event.start_mark)
        self._depth += 1
        if self._depth > _DEEPEST:
            raise yaml.composer.ComposerError(None, None, "nested too deeply", self.peek_event().start_mark)  # type: ignore[no-untyped-call]
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[Any] = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            name = self.construct_object(key, deep=True)
            if not isinstance(name, str):
                raise yaml.constructor.ConstructorError(None, None, "names of fields are texts", key.start_mark)
            if name in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{name} stands here twice", key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


_PLAIN = (
    ("null", r"~|null|", ["~", "n", ""]),
    ("bool", r"true|false", list("tf")),
    ("int", r"-?(?:0|[1-9]\d{0,30})", list("-0123456789")),
    ("float", r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d{1,3})?", list("-0123456789")),
)


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks; nothing is ever written as an alias."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:
        return super().increase_indent(flow, False)


for _kind in (_Loader, _Dumper):
    for _name, _pattern, _first in _PLAIN:
        _kind.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(rf"(?:{_pattern})\Z"), _first)


_BREAKS = re.compile("[\x85\u2028\u2029]")
"""Whoever reads YAML takes these for line breaks, unless they are escaped."""


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = '"' if _BREAKS.search(text) else "|" if "\n" in text.strip("\n") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def to_yaml(definition: Mapping[str, Any]) -> str:
    """The plain JSON of a definition as YAML, fields in their order."""
    return str(yaml.dump(dict(definition), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH))


def from_yaml(text: str, *, what: str = "A workflow", longest: int = LONGEST) -> Any:
    """Plain data. Raises InvalidInput with the line where it cannot be read."""
    if len(text) > longest:
        raise InvalidInput(f"{what} has at most {longest // 1024:,} KiB of YAML.", field="yaml")
    try:
        data = yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _unreadable(error.problem or "this is no YAML", None if mark is None else mark.line + 1) from error
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        raise _unreadable(_first_line(str(error)), None) from error
    if _has_infinite(data):
        raise _unreadable("a number is too large", None)
    return data


def _unreadable(words: str, line: int | None) -> InvalidInput:
    where = "" if line is None else f"Line {line}: "
    return InvalidInput(f"{where}{words}.", field="yaml", line=line)


def _first_line(text: str) -> str:
    return text.partition("\n")[0][:200] or "this is no YAML"


def _has_infinite(data: Any) -> bool:
    if isinstance(data, float):
        return not math.isfinite(data)
    parts = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    return any(map(_has_infinite, parts))


def with_lines(error: InvalidWorkflow, text: str) -> InvalidWorkflow:
    """The same complaint with the line of each problem in the detail, as ``line``."""
    root = yaml.compose(text, Loader=_Loader)
    for told, problem in zip(error.detail["problems"], error.problems, strict=True):
        told["line"] = _line_of(root, problem)
    return error


def _line_of(root: Any, problem: Problem) -> int:
    node = root
    if problem.number is not None:
        steps = _child(root, "steps")
        node = steps.value[problem.number] if isinstance(steps, yaml.SequenceNode) else root
    found = node
    for part in problem.field.split("."):
        found = _child(found, part) or found
    return 1 if found is None else int(found.start_mark.line) + 1


def _child(node: Any, name: str) -> Any:
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if key.value == name:
            return value
    return None
