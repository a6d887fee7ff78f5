"""How a request's body is read: JSON with nothing in it that a database cannot keep, then a shape with known fields."""

import json
import math
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any, TypeVar

import pydantic
from django.http import HttpRequest
from ninja.errors import HttpError, ValidationError
from ninja.parser import Parser
from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from orchestration.errors import InvalidInput

DEEPEST = 100
"""Objects and lists inside one another."""
NAME_SHOWN = 80

Shape = TypeVar("Shape", bound=BaseModel)


class Body(BaseModel):
    """Base of all bodies: types as they are written, and a field that does not exist is a mistake worth a hint."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _known_fields_only(cls, data: Any) -> Any:
        for name in data if isinstance(data, dict) else ():
            if name not in cls.model_fields:
                raise PydanticCustomError("unknown_field", "{words}", {"words": unknown(name, list(cls.model_fields))})
        return data


def unknown(name: str, known: list[str]) -> str:
    name = name[:NAME_SHOWN]
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"it takes {', '.join(known)}"
    return f"has no field {name}; {hint}"


class StrictParser(Parser):
    """JSON as the standard has it: no NaN, no text that cannot be stored."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        return read_json(request.body)  # type: ignore[no-any-return]


def read_json(text: bytes) -> Any:
    """Raises InvalidInput for what cannot be kept, ValueError or RecursionError for what is no JSON at all."""
    data = json.loads(text.decode(), parse_constant=_refuse_constant, parse_float=_finite)
    _refuse_deep(data)
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


def _refuse_deep(data: Any) -> None:
    """What can just be read could not be written again, to the database or into a page, with more on the stack."""
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


def read_body(request: HttpRequest, shape: type[Shape]) -> Shape:
    """What ninja does for a handler's body argument, for handlers that must do it in a thread."""
    if not request.body:
        raise InvalidInput("The body is empty; send a JSON object.")
    try:
        data = StrictParser().parse_body(request)
    except Exception as error:
        raise HttpError(400, "unreadable body") from error
    try:
        return shape.model_validate(data)
    except pydantic.ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        raise ValidationError([{**item, "loc": ("body", "body", *item["loc"])} for item in problems]) from None
