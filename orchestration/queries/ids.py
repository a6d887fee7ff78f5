"""Ids as people and programs write them into addresses and filters."""

from collections.abc import Iterable
from typing import TypeVar

from django.db.models import Model, QuerySet

from orchestration.errors import InvalidInput

Row = TypeVar("Row", bound=Model)

MOST = 2**63 - 1
"""What a database counts to: it refuses to be asked for more."""
LONGEST = 18
"""Digits: any longer number is beyond what a database counts to."""


def id_of(text: str) -> int | None:
    """None for what cannot be the id of anything."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= LONGEST else None


def ids_of(text: str) -> list[int]:
    """Of ``1,2,3``. Raises InvalidInput."""
    found = [id_of(part.strip()) for part in text.split(",") if part.strip()]
    if None in found:
        raise InvalidInput("ids are numbers with commas between them.", field="ids")
    return [number for number in found if number is not None]


def possible(ids: Iterable[int]) -> set[int]:
    """Those that a row can have."""
    return {number for number in ids if 0 < number <= MOST}


def by_id_or_name(rows: QuerySet[Row], key: str) -> Row | None:
    """No name holds the character NUL, and PostgreSQL does not even take the question."""
    number = id_of(key)
    if number is not None:
        return rows.filter(pk=number).first()
    return None if "\0" in key else rows.filter(name=key).first()
