"""JSON schemas of answers and parameters: which are taken, and whether a text or a value follows one.

Draft 2020-12. Nothing is ever fetched. What a schema can still cost when it is applied, such as a pattern that takes
for ever, is the business of whoever applies it.
"""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError, best_match
from referencing import Registry, Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from orchestration.errors import InvalidInput
from orchestration.policy.storing import storable

LARGEST = 64 * 1024
"""Characters of JSON."""
DEEPEST = 32
LONGEST_PATTERN = 500
_LONGEST_WORDS = 300
_REFERENCES = ("$ref", "$dynamicRef")
_DATA = frozenset({"const", "enum", "default", "examples", "example"})
"""What stands below these is no schema, whatever it looks like."""


def check_schema(schema: Any) -> None:
    """Raises InvalidInput that says what is wrong with it."""
    try:
        text = json.dumps(schema, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput("The JSON schema is not JSON, or is nested too deeply.", field="format") from error
    if problem := _problem_of_schema(text):
        raise InvalidInput(f"The JSON schema {problem}", field="format")


@lru_cache(maxsize=256)
def _problem_of_schema(text: str) -> str:
    """Empty when there is none. Thousands of tasks may come with the same schema."""
    if len(text) > LARGEST:
        return f"has {len(text):,} characters; at most {LARGEST:,} are taken."
    schema = json.loads(text)
    if not isinstance(schema, Mapping):
        return "must be an object."
    if problem := next(_problems(schema), ""):
        return problem
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return f"is wrong at {_place(error.path)}: {_cut(error.message)}."
    except (OverflowError, RecursionError):
        return "has a pattern that is too large or too deep."
    return next(_unresolved(schema), "")


def _problems(schema: Any, depth: int = 0, *, at_root: bool = True) -> Iterator[str]:
    """By our own rules."""
    if depth > DEEPEST:
        yield f"is nested more than {DEEPEST} levels deep."
        return
    if isinstance(schema, Mapping):
        yield from _problems_here(schema, at_root)
    parts = schema if isinstance(schema, list) else _parts(schema)
    for part in parts:
        yield from _problems(part, depth + 1, at_root=False)


def _problems_here(schema: Mapping[str, Any], at_root: bool) -> Iterator[str]:
    for name in _REFERENCES:
        target = schema.get(name)
        if isinstance(target, str) and not target.startswith("#"):
            yield f'refers to "{_cut(target)}"; only its own parts, "#…", can be referred to.'
    if isinstance(schema.get("$id"), str) and not at_root:
        yield "has an $id inside; only the whole may have one."
    for pattern in _patterns(schema):
        if len(pattern) > LONGEST_PATTERN:
            yield f"has a pattern of {len(pattern):,} characters; at most {LONGEST_PATTERN} are taken."


def _patterns(schema: Mapping[str, Any]) -> Iterator[str]:
    own, named = schema.get("pattern"), schema.get("patternProperties")
    yield from (own,) if isinstance(own, str) else ()
    yield from named if isinstance(named, Mapping) else ()


def _parts(schema: Any) -> list[Any]:
    if not isinstance(schema, Mapping):
        return []
    return [part for name, part in schema.items() if name not in _DATA and isinstance(part, dict | list)]


def _unresolved(schema: Mapping[str, Any]) -> Iterator[str]:
    resource: Resource[Any] = DRAFT202012.create_resource(schema)
    resolver = Registry().with_resource("", resource).resolver()
    for target in _targets(schema):
        try:
            resolver.lookup(target)
        except (Unresolvable, ValueError):  # a word where a list takes numbers
            yield f'refers to "{_cut(target)}", which is not in it.'


def _targets(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping):
        yield from (schema[name] for name in _REFERENCES if isinstance(schema.get(name), str))
    for part in schema if isinstance(schema, list) else _parts(schema):
        yield from _targets(part)


def problem_of_text(text: str, schema: Mapping[str, Any] | None) -> str:
    """Why an answer is not the JSON that was asked for, in one sentence; empty when it is."""
    if not text.strip():
        return "It is empty."
    try:
        value = json.loads(text, parse_constant=_refuse)
    except RecursionError:
        return "It is nested too deeply."
    except ValueError as error:
        return f"It is not valid JSON: {_cut(str(error))}."
    return "" if schema is None else problem_of_value(value, schema)


def problem_of_value(value: Any, schema: Mapping[str, Any]) -> str:
    """The same for a value that is there already."""
    validator = Draft202012Validator(schema, registry=Registry())
    try:
        error = best_match(validator.iter_errors(value))
    except RecursionError:
        return "Its schema refers to itself without end."
    except OverflowError:
        return "A number in it is too large to be checked."
    return "" if error is None else storable(f"{_place(error.absolute_path)}: {_cut(_words(error))}.")


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _words(error: ValidationError) -> str:
    """The message repeats the value, which may be long: then the rule alone is told."""
    if len(error.message) <= _LONGEST_WORDS:
        return error.message
    return f"it does not follow {error.validator} {json.dumps(error.validator_value)}"


def _place(path: Any) -> str:
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
    return place or "the whole"


def _cut(words: str) -> str:
    words = words.rstrip(".")
    return words if len(words) <= _LONGEST_WORDS else f"{words[:_LONGEST_WORDS]}…"
