"""What the measurement rests on: rows that are hard to read, and a comparison that finds what differs."""

import csv
import io

import pytest
from django.db import connection

from orchestration.management import batch_bench
from orchestration.management.batch_bench import Found
from orchestration.management.page_watch import PageFound
from orchestration.policy.tables import read_table


def test_the_rows_have_everything_in_them_that_csv_can_have():
    table = read_table(batch_bench.table(3))
    assert [row.cells["id"] for row in table.rows] == ["c0", "c1", "c2"]
    assert 'The "box" 1; dented,\nbut' in table.rows[1].cells["Review text"]
    assert len(list(csv.reader(io.StringIO(batch_bench.table(3))))) == 4


@pytest.fixture
def run(submit):
    return submit("one", "two")


def lines_of(run):
    return [
        {
            "task_id": task.pk,
            "client_ref": task.client_ref,
            "status": task.status,
            "input": task.input,
            "output": task.output,
            "output_tokens": task.output_tokens,
        }
        for task in run.tasks.order_by("position")
    ]


def compared(run, lines):
    found = Found(rows=2)
    batch_bench._compare(connection, run.pk, iter(lines), found)
    return found


def test_an_export_that_equals_the_database_has_no_differences(run):
    found = compared(run, lines_of(run))
    assert (found.exported, found.differences) == (2, [])


@pytest.mark.parametrize(
    "change", [{"output": "other"}, {"input": "other"}, {"status": "failed"}, {"output_tokens": 1}]
)
def test_a_row_that_differs_is_found(run, change):
    first, second = lines_of(run)
    assert len(compared(run, [first, {**second, **change}]).differences) == 1


def test_rows_that_are_missing_or_too_many_are_found(run):
    first, second = lines_of(run)
    assert compared(run, [first]).exported == 1
    assert "rows that the database has not" in compared(run, [first, second, second]).differences[0]


def test_one_figure_that_is_wrong_makes_all_of_it_wrong():
    fine = {"rows": 5, "seconds": 1.0, "exported": 5}
    assert Found(**fine).clean
    assert not Found(**{**fine, "exported": 4}).clean
    assert not Found(**fine, wrong=["counts"]).clean
    assert Found(**fine, page=PageFound(last={"completed": 5})).clean
    assert not Found(**fine, page=PageFound(last={"completed": 4})).clean
