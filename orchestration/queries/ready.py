"""Tasks that could start, read along the partial indexes made for it, in plain SQL."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import connection

# Literals, not parameters: SQLite takes a partial index only where the query itself implies its condition. And it has
# to be told which: without statistics it prefers the index on the status.
READY = "status = 'pending' AND not_before IS NULL"
GATED = "gate > 0 AND status IN ('assigned', 'blocked', 'pending', 'running')"
_INDEXES = {
    "by_age": "task_ready_by_age",
    "by_share": "task_ready_by_share",
    "unfinished": "task_unfinished_by_share",
    "gated": "task_gated",
}


def rows(query: str, arguments: Sequence[Any] = (), parts: Mapping[str, str] | None = None) -> list[tuple[Any, ...]]:
    """A word of _INDEXES in braces behind the table's name says which index it is read along; ``parts`` are the other
    names in braces."""
    named = connection.vendor == "sqlite"
    indexes = {place: f"INDEXED BY {name}" if named else "" for place, name in _INDEXES.items()}
    with connection.cursor() as cursor:
        cursor.execute(query.format(**indexes, **(parts or {})), arguments)
        return list(cursor.fetchall())


def moment(value: datetime | str) -> datetime:
    """SQLite hands out what it stores: in UTC and without saying so, and as text where it was computed."""
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return at if at.tzinfo else at.replace(tzinfo=UTC)
