"""Pages of lists that are small enough to be read whole. Tasks and runs are paged by the database instead."""

from collections.abc import Sequence
from typing import TypeVar

from orchestration.errors import InvalidInput

Item = TypeVar("Item")


def page(items: Sequence[Item], *, limit: int, cursor: str | None) -> tuple[list[Item], str | None]:
    """One page and the cursor of the next; None after the last."""
    start = _position(cursor)
    end = start + limit
    return list(items[start:end]), str(end) if end < len(items) else None


def _position(cursor: str | None) -> int:
    if not cursor:
        return 0
    if not (cursor.isascii() and cursor.isdigit()):
        raise InvalidInput("This cursor is not one that an answer gave as next_cursor.", field="cursor")
    return int(cursor[:9])
