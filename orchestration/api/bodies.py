"""How a request's body is read: JSON with nothing in it that a database cannot keep, then a shape with known fields."""

from difflib import get_close_matches
from typing import Any, TypeVar

import pydantic
from django.http import HttpRequest
from ninja.errors import HttpError, ValidationError
from ninja.parser import Parser
from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from orchestration.errors import InvalidInput
from orchestration.policy.strict_json import read_json

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


def read_body(request: HttpRequest, shape: type[Shape]) -> Shape:
    """What ninja does for a handler's body argument, for handlers that must do it in a thread."""
    if not request.body:
        raise InvalidInput("The body is empty; send a JSON object.")
    try:
        data = StrictParser().parse_body(request)
    except Exception as error:
        raise HttpError(400, "unreadable body") from error
    return shaped(data, shape)


def shaped(data: Any, shape: type[Shape]) -> Shape:
    """Raises ValidationError as ninja does for a body."""
    try:
        return shape.model_validate(data)
    except pydantic.ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        raise ValidationError([{**item, "loc": ("body", "body", *item["loc"])} for item in problems]) from None
