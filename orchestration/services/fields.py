"""What services share about fields: setting named ones, saving, turning Django's complaints into ours."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import IntegrityError, models

from orchestration.errors import Conflict, DroverError, InvalidInput


def apply(obj: models.Model, fields: dict[str, Any], known: Iterable[str]) -> None:
    unknown = set(fields) - set(known)
    if unknown:
        raise InvalidInput(f"There is no field {', '.join(sorted(unknown))}.", fields=sorted(unknown))
    for name, value in fields.items():
        setattr(obj, name, value)


def invalid(error: ValidationError, obj: models.Model) -> DroverError:
    """Every problem in one message; Conflict when a unique name is taken."""
    problems = {
        ("" if name == NON_FIELD_ERRORS else name): " ".join(messages) for name, messages in error.message_dict.items()
    }
    text = " ".join(f"{name}: {message}" if name else message for name, message in problems.items())
    taken = any(item.code == "unique" for items in error.error_dict.values() for item in items)
    return Conflict(text, fields=problems) if taken else InvalidInput(text, fields=problems)


def save(obj: models.Model, *, exclude: Iterable[str] = (), problems: Mapping[str, str] = MappingProxyType({})) -> None:
    """Checks and saves; Conflict too when somebody else takes a unique name between the two. ``problems``: what is
    known to be wrong already, by field: everything is named at once."""
    try:
        obj.full_clean(exclude=exclude)
    except ValidationError as error:
        refused = invalid(error, obj)
        if problems:
            found = {**problems, **refused.detail["fields"]}
            raise InvalidInput(" ".join([*problems.values(), refused.message]), fields=found) from error
        raise refused from error
    if problems:
        raise InvalidInput(" ".join(problems.values()), field=next(iter(problems)), fields=dict(problems))
    try:
        obj.save()
    except IntegrityError as error:
        raise Conflict(f"Somebody else has just saved another {obj._meta.verbose_name} like this one.") from error


def cut(text: str, most: int) -> str:
    """So that it fits its column: PostgreSQL refuses what is longer, and the whole transaction with it."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
