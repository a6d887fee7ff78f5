"""Attempts counted by when and where they ended: what the counters of the load history are made of."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.db import connection

from orchestration.models import Attempt
from orchestration.policy.states import AttemptStatus

ERRORS = frozenset({AttemptStatus.FAILED, AttemptStatus.LOST})


class EndedGroup(NamedTuple):
    """Attempts that ended in one unit of time at one place in one way. ``node_id`` is None where the node is gone;
    ``wait`` is milliseconds to the first token, to two digits, or None where there was none."""

    at: int
    node_id: int | None
    node_name: str
    model: str
    status: str
    wait: int | None
    attempts: int
    prompt_tokens: int
    output_tokens: int


class EndedSum(NamedTuple):
    attempts: int
    output_tokens: int


_UNIT = {
    "sqlite": "CAST(strftime('%%s', ended_at) AS INTEGER) / %s * %s",
    "postgresql": "FLOOR(EXTRACT(EPOCH FROM ended_at) / %s)::bigint * %s",
}
_WAIT = {
    "sqlite": "CAST((julianday(first_token_at) - julianday(started_at)) * 86400000 AS INTEGER)",
    "postgresql": "CAST(EXTRACT(EPOCH FROM first_token_at - started_at) * 1000 AS bigint)",
}
_ROUNDED = (
    "CASE WHEN wait < 100 THEN wait WHEN wait < 1000 THEN wait / 10 * 10 WHEN wait < 10000 THEN wait / 100 * 100 "
    "ELSE wait / 1000 * 1000 END"
)


def ended_groups(start: int, end: int, unit: int) -> Iterator[EndedGroup]:
    """Of attempts that asked a model something and ended from ``start`` to before ``end``, in epoch seconds."""
    table = connection.ops.quote_name(Attempt._meta.db_table)
    inner = (
        f"SELECT {_UNIT[connection.vendor]} AS unit, node_id, node_name, model_name, status, "
        f"{_WAIT[connection.vendor]} AS wait, prompt_tokens, output_tokens "
        f"FROM {table} WHERE ended_at >= %s AND ended_at < %s AND num_ctx > 0"
    )
    outer = (
        f"SELECT unit, node_id, node_name, model_name, status, {_ROUNDED}, COUNT(*), "
        f"COALESCE(SUM(prompt_tokens), 0), COALESCE(SUM(output_tokens), 0) FROM ({inner}) AS ended "
        f"GROUP BY 1, 2, 3, 4, 5, 6"
    )
    with connection.cursor() as cursor:
        cursor.execute(outer, [unit, unit, *_range(start, end)])
        while rows := cursor.fetchmany(2000):
            yield from map(EndedGroup._make, rows)


def ended_sum(start: int, end: int) -> EndedSum:
    """To see whether all of them are counted."""
    table = connection.ops.quote_name(Attempt._meta.db_table)
    select = f"SELECT COUNT(*), COALESCE(SUM(output_tokens), 0) FROM {table}"
    with connection.cursor() as cursor:
        cursor.execute(f"{select} WHERE ended_at >= %s AND ended_at < %s AND num_ctx > 0", _range(start, end))
        return EndedSum(*map(int, cursor.fetchone()))


def first_ended_at(after: datetime) -> datetime | None:
    rows = Attempt.objects.filter(ended_at__gte=after, num_ctx__gt=0).order_by("ended_at")
    return rows.values_list("ended_at", flat=True).first()


def _range(start: int, end: int) -> list[Any]:
    moments = (datetime.fromtimestamp(at, UTC) for at in (start, end))
    return [connection.ops.adapt_datetimefield_value(moment) for moment in moments]
