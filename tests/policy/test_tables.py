"""What people paste and drop becomes columns and rows, or an error that names the line."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.errors import InvalidInput
from orchestration.policy.tables import Format, decoded, nameable, read_table, table_of

CSV = "name,text\nann,Hello\nbob,Bye\n"


def cells(table):
    return [dict(row.cells) for row in table.rows]


def refused(text, *args, **kwargs):
    with pytest.raises(InvalidInput) as caught:
        read_table(text, *args, **kwargs)
    return caught.value


# CSV


def test_a_header_names_the_columns():
    table = read_table(CSV)
    assert (table.format, table.columns) == (Format.CSV, ["name", "text"])
    assert cells(table) == [{"name": "ann", "text": "Hello"}, {"name": "bob", "text": "Bye"}]
    assert [row.place for row in table.rows] == [2, 3]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(delimiter):
    table = read_table(CSV.replace(",", delimiter))
    assert (table.delimiter, table.columns) == (delimiter, ["name", "text"])


def test_the_delimiter_that_cuts_all_lines_alike_wins_over_one_inside_texts():
    table = read_table("id;text\n1;one, two\n2;three\n3;four, five, six\n")
    assert table.columns == ["id", "text"]
    assert table.text(table.rows[2], "text") == "four, five, six"


def test_quoted_line_ends_belong_to_the_cell_and_later_rows_keep_their_lines():
    table = read_table('id,text\n1,"two\nlines"\n2,"a ""quote"""\n')
    assert cells(table) == [{"id": "1", "text": "two\nlines"}, {"id": "2", "text": 'a "quote"'}]
    assert [row.place for row in table.rows] == [2, 4]


def test_a_byte_order_mark_and_the_hint_of_excel_are_no_data():
    table = read_table(decoded(b"\xef\xbb\xbfsep=;\r\nid;text\r\n1;Hello\r\n"))
    assert table.columns == ["id", "text"]
    assert table.rows[0].place == 3


def test_utf_16_with_a_mark_is_read_too():
    assert read_table(decoded(CSV.encode("utf-16"))).columns == ["name", "text"]


def test_lines_with_nothing_in_them_are_left_out():
    assert len(read_table(CSV + "\n  \n,\n").rows) == 2


def test_a_file_with_one_column_is_csv_by_its_name():
    table = read_table("question\nWhy?\nHow, then?\n".replace("How, then?", '"How, then?"'), file_name="x.csv")
    assert (table.columns, len(table.rows)) == (["question"], 2)


@pytest.mark.parametrize(
    ("text", "words", "line"),
    [
        ("a,b\n1,2\n1,2,3\n", "Line 3 has 3 values, the header names 2 columns.", 3),
        ("a,b\n1,2\n1\n", "Line 3 has 1 value, the header names 2 columns.", 3),
        ('a,b\n1,2\n1,"open\n2,3\n', "Line 3 has a quote that is never closed.", 3),
        ('a,b\n1,"x"y\n', "Line 2 is no CSV", 2),
        ("a,,c\n1,2,3\n", "Line 1: column 2 has no name.", 1),
        ("a,a\n1,2\n", "Line 1: two columns are called “a”.", 1),
        ("a,b\n1,\0\n", "Line 2 contains the character NUL", 2),
        ("a,b\n1,\ud800\n", "Line 2 contains half of a surrogate pair", 2),
    ],
)
def test_broken_csv_is_told_with_its_line(text, words, line):
    error = refused(text, Format.CSV)
    assert words in error.message
    assert error.detail["line"] == line


def test_a_header_alone_is_not_enough():
    assert "no row below it" in refused("a,b\n", Format.CSV).message


def test_a_quote_that_closes_late_keeps_nobody_from_finding_the_line():
    assert refused('a,b\n"1,2\n3,4\n', Format.CSV).detail["line"] == 2


def test_bytes_that_are_no_text_are_told_with_their_line():
    with pytest.raises(InvalidInput, match="Line 2 is not UTF-8"):
        decoded("name\nM\xfcller\n".encode("latin-1"))


NAMES = st.lists(st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True), min_size=2, max_size=5, unique=True)
CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@given(st.data())
def test_whatever_is_written_as_csv_is_read_back(data):
    columns = data.draw(NAMES)
    rows = data.draw(st.lists(st.lists(CELLS, min_size=len(columns), max_size=len(columns)), min_size=1, max_size=6))
    rows = [row for row in rows if any(cell.strip() for cell in row)] or [["x"] * len(columns)]
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows([columns, *rows])
    table = read_table(out.getvalue(), Format.CSV)
    assert [[row.cells[column] for column in columns] for row in table.rows] == rows


# JSON, JSON lines, lists


def test_a_list_of_texts_is_one_column():
    assert cells(read_table('["a", "b"]')) == [{"text": "a"}, {"text": "b"}]


def test_objects_have_the_fields_of_all_of_them_and_keep_what_is_no_text():
    table = read_table('[{"id": 1, "q": "Why?"}, {"q": "How?", "more": {"x": [1]}}]')
    assert table.columns == ["id", "q", "more"]
    assert table.texts(table.rows[1]) == {"id": "", "q": "How?", "more": '{"x": [1]}'}
    assert table.rows[0].cells["id"] == 1


def test_json_lines_keep_their_numbers():
    table = read_table('{"q": "a"}\n\n{"q": "b\u2028c"}\n')
    assert (table.format, [row.place for row in table.rows]) == (Format.JSONL, [1, 3])
    assert table.rows[1].cells["q"] == "b\u2028c"


@pytest.mark.parametrize(
    ("text", "wanted", "words"),
    [
        ('[{"a": 1},\n {"a": }]', None, "Line 2, column 8: this is not JSON"),
        ('{"a": 1}\n{"a": 1\n', Format.JSONL, "Line 2"),
        ('{"a": 1}', Format.JSON, "The JSON is not a list"),
        ('["a", 7]', None, "Item 2 is neither a text nor an object."),
        ('["a", {"b": 1}]', None, "Item 2 is an object, those before it are texts."),
        ('[{"b": 1}, "a"]', None, "Item 2 is a text, those before it are objects."),
        ("[]", None, "The list is empty"),
        ("[{}]", None, "no name, or there is none"),
        ('[{" ": 1}]', None, "no name"),
        ('[{"a": NaN}]', None, "NaN is not a number"),
        ('[{"a": "\\u0000"}]', None, "NUL"),
        ('{"a": "\\ud800"}', Format.JSONL, "Line 1: A text contains half of a surrogate pair"),
        ("[" * 5000, None, "nested too deeply"),
        ("[" * 200 + "]" * 200, None, "nested too deeply"),
        (json.dumps([{f"c{number}": 1 for number in range(201)}]), None, "at most 200"),
    ],
)
def test_broken_json_is_told_with_its_place(text, wanted, words):
    assert words in refused(text, wanted).message


def test_rows_that_are_json_already_make_a_table():
    assert table_of(["a", "b"]).unit == "row"
    with pytest.raises(InvalidInput, match="Row 2 is neither"):
        table_of(["a", 3])


def test_a_pasted_list_has_a_line_each():
    table = read_table("Why?\n\n  How? \nSo, what now?\n")
    assert (table.format, cells(table)) == (
        Format.LIST,
        [{"text": "Why?"}, {"text": "How?"}, {"text": "So, what now?"}],
    )
    assert [row.place for row in table.rows] == [1, 3, 4]


def test_one_sentence_with_a_comma_is_a_list():
    assert read_table("Hello, world").format == Format.LIST


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.jsonl", Format.JSONL), ("a.NDJSON", Format.JSONL), ("a.json", Format.JSON)],
)
def test_the_name_of_the_file_says_what_is_in_it(name, expected):
    text = '["a"]' if expected == Format.JSON else '"a"\n"b"'
    assert read_table(text, file_name=name).format == expected


def test_what_was_asked_for_counts_more_than_the_name():
    assert read_table(CSV, Format.LIST, "x.csv").format == Format.LIST


def test_a_text_file_may_hold_a_table():
    assert read_table(CSV, file_name="x.txt").format == Format.CSV


@pytest.mark.parametrize("text", ["", "  \n ", "\ufeff\n"])
def test_nothing_is_no_batch(text):
    assert "There are no rows" in refused(text).message


# Names of placeholders


@pytest.mark.parametrize(
    ("column", "name"),
    [("text", "text"), ("Review text", "Review_text"), ("2nd", "_2nd"), ("größe (cm)", "größe_cm"), ("%", "column")],
)
def test_a_column_can_be_quoted_whatever_it_is_called(column, name):
    assert nameable(column) == name


def test_columns_that_would_be_called_the_same_are_told_apart():
    table = read_table("a b,a_b,a-b\n1,2,3\n")
    assert table.names == {"a b": "a_b", "a_b": "a_b_2", "a-b": "a-b"}
