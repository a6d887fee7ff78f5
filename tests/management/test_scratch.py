"""A database of one's own for a measurement."""

import os

import pytest
from django.db import connection

from orchestration.management import scratch


def test_sqlite_needs_none_its_folder_is_fresh():
    with scratch.beside("") as url:
        assert url == ""


@pytest.mark.django_db
def test_a_connection_of_its_own_sees_what_is_in_the_file(tmp_path):
    with scratch.opened(f"sqlite:///{tmp_path / 'some.sqlite3'}") as rows, rows.cursor() as cursor:
        cursor.execute("CREATE TABLE river (name text)")
        cursor.execute("INSERT INTO river VALUES ('Elbe')")
        cursor.execute("SELECT name FROM river")
        assert cursor.fetchone() == ("Elbe",)
    assert (tmp_path / "some.sqlite3").exists()


@pytest.mark.django_db(transaction=True)
def test_beside_a_postgresql_database_an_empty_one_is_made_and_dropped():
    if connection.vendor == "sqlite":  # a server has many databases, a file is one
        with scratch.beside("") as url:
            assert url == ""
        return
    with scratch.beside(os.environ["DATABASE_URL"]) as url:
        with scratch.opened(url) as rows:
            assert rows.introspection.table_names() == []
            with rows.cursor() as cursor:
                cursor.execute("SELECT current_database()")
                name = cursor.fetchone()[0]
        assert name.startswith("drover_bench_")
    with scratch.opened(os.environ["DATABASE_URL"]) as server, server.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_database WHERE datname = %s", [name])
        assert cursor.fetchone() == (0,)


def test_it_says_what_kind_is_configured():
    assert scratch.kind() == connection.vendor
