"""A database for one measurement, of the kind that is configured, that nobody else's rows are in."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import dj_database_url
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler


@contextmanager
def beside(url: str) -> Iterator[str]:
    """The address of an empty PostgreSQL database on the server of this one, dropped at the end.

    An empty address stands for SQLite in the data folder, which is fresh and goes away with it.
    """
    if not url:
        yield ""
        return
    name = f"drover_bench_{secrets.token_hex(6)}"
    with opened(url) as server:
        _run(server, f"CREATE DATABASE {name}")
        try:
            yield urlsplit(url)._replace(path=f"/{name}").geturl()
        finally:
            _run(server, f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def opened(url: str) -> Iterator[BaseDatabaseWrapper]:
    """A connection of one's own to the database at that address."""
    handler = ConnectionHandler({DEFAULT_DB_ALIAS: {**dj_database_url.parse(url)}})
    opened = handler[DEFAULT_DB_ALIAS]
    try:
        yield opened
    finally:
        opened.close()


def kind() -> str:
    """Of the configured database."""
    return str(connection.vendor)


def _run(server: BaseDatabaseWrapper, statement: str) -> None:
    with server.cursor() as cursor:
        cursor.execute(statement)
