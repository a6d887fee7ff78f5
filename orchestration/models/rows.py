"""What Django's ORM has no statement for: many rows of one table changed at once, each to, or by, values of its own."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.db import connections, router
from django.db.models import Field, Model

Change = tuple[Mapping[str, Any], Mapping[str, Any]]
"""What a row must be like, and its new values."""


def update_each(
    model: type[Model],
    changes: Sequence[Change],
    *,
    same: Mapping[str, Any] | None = None,
    among: Mapping[str, Collection[Any]] | None = None,
    count: str = "",
) -> int:
    """An ``UPDATE`` for each change, all sent in one go and all with the same names: a quarter of the time that
    ``bulk_update`` takes. The number of rows changed.

    ``same``: new values that all rows get. ``among``: what must hold for all of them. ``count``: a number that grows by
    one. It cannot say which change found no row: whoever has to know locks the rows and looks before.
    """
    if not changes:
        return 0
    connection = connections[router.db_for_write(model)]
    keys, names = list(changes[0][0]), list(changes[0][1])
    common, fixed = same or {}, among or {}
    sets = [f"{_column(model, name)} = %s" for name in (*common, *names)]
    sets += [f"{_column(model, count)} = {_column(model, count)} + 1"] if count else []
    where = [f"{_column(model, name)} = %s" for name in keys]
    where += [f"{_column(model, name)} IN ({', '.join(['%s'] * len(values))})" for name, values in fixed.items()]
    first = [_field(model, name).get_db_prep_save(value, connection) for name, value in common.items()]
    last = [value for values in fixed.values() for value in values]
    prepare = [_field(model, name).get_db_prep_save for name in (*names, *keys)]
    rows = []
    for old, new in changes:
        own = zip(prepare, (*new.values(), *old.values()), strict=True)
        rows.append([*first, *(to_db(value, connection) for to_db, value in own), *last])
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.executemany(f"UPDATE {table} SET {', '.join(sets)} WHERE {' AND '.join(where)}", rows)
        return int(cursor.rowcount)


def add_to_each(model: type[Model], rows: Sequence[Mapping[str, Any]], *, unique: Sequence[str]) -> None:
    """Each row's numbers are added to those of the row that is there, which is made where there is none.

    All rows have the same names; what is not ``unique`` is added up. Sent in one order: nobody waits in a circle.
    """
    if not rows:
        return
    connection = connections[router.db_for_write(model)]
    names = list(rows[0])
    table = connection.ops.quote_name(model._meta.db_table)
    columns = {name: _column(model, name) for name in names}
    sums = [
        f"{columns[name]} = {table}.{columns[name]} + excluded.{columns[name]}" for name in names if name not in unique
    ]
    values = [
        [_field(model, name).get_db_prep_save(row[name], connection) for name in names]
        for row in sorted(rows, key=lambda row: [row[name] for name in unique])
    ]
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {table} ({', '.join(columns.values())}) VALUES ({', '.join(['%s'] * len(names))})"
            f" ON CONFLICT ({', '.join(columns[name] for name in unique)}) DO UPDATE SET {', '.join(sums)}",
            values,
        )


def _field(model: type[Model], name: str) -> "Field[Any, Any]":
    field = model._meta.get_field(name)
    assert isinstance(field, Field)
    return field


def _column(model: type[Model], name: str) -> str:
    return f'"{_field(model, name).column}"'
