"""CSV that a spreadsheet does not run."""

import csv
import io

import pytest

from orchestration.policy.sheets import cell, csv_lines


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x")'])
def test_a_text_that_a_spreadsheet_would_run_is_escaped(text):
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["Hello", "", "a=b", -1.5, 0, True])
def test_other_texts_and_figures_stay_as_they_are(value):
    assert cell(value) == value


def test_nothing_is_an_empty_cell():
    assert cell(None) == ""


def test_lines_are_read_back_as_they_were_written():
    rows = [["a", 'says "hi"', "two\nlines"], ["b", "x;y,z", "ü"]]
    written = csv_lines(rows)
    assert written.count(b"\r\n") == 2
    assert list(csv.reader(io.StringIO(written.decode(), newline=""))) == rows
