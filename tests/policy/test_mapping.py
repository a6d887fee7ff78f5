"""Which column is what, and rows as they would be sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.errors import InvalidInput
from orchestration.policy.mapping import Columns, filled_rows, mapping_of, sample
from orchestration.policy.tables import read_table, table_of

NO_COLUMNS = Columns()
TABLE = read_table("id,title,Body text\n7,One,first\n8,Two,second\n")


def rows(table, columns=NO_COLUMNS, **texts):
    return list(filled_rows(table, mapping_of(table, columns, **texts)))


def refused(table, columns=NO_COLUMNS, **texts):
    with pytest.raises(InvalidInput) as caught:
        rows(table, columns, **texts)
    return caught.value


def test_a_template_quotes_columns_by_their_names():
    found = rows(TABLE, template="{{title}}: {{ Body_text }}")
    assert [row.prompt for row in found] == ["One: first", "Two: second"]
    assert [(row.number, row.place) for row in found] == [(1, "Line 2"), (2, "Line 3")]


def test_a_placeholder_inside_a_cell_stays_text():
    table = table_of([{"a": "{{b}} and {{a}}", "b": "secret"}])
    assert rows(table, template="{{a}}")[0].prompt == "{{b}} and {{a}}"


@given(st.text(max_size=40))
def test_whatever_stands_in_a_cell_is_sent_as_it_is(text):
    table = table_of([{"a": "x" + text, "b": "never"}])
    assert rows(table, template="{{a}}")[0].prompt == "x" + text


def test_every_column_finds_its_part():
    table = table_of(
        [{"q": "Why?", "s": "Be brief.", "key": 5, "m": "llama3.2", "extra": [1], "shot": ["aGk=", "aGk="]}]
    )
    columns = Columns(prompt="q", system="s", client_ref="key", model="m", metadata=["extra", "key"], images="shot")
    (row,) = rows(table, columns)
    assert (row.prompt, row.system, row.client_ref, row.model) == ("Why?", "Be brief.", "5", "llama3.2")
    assert row.metadata == {"extra": [1], "key": 5}
    assert row.images == ["aGk=", "aGk="]


def test_a_system_prompt_is_a_template_too():
    assert rows(TABLE, template="{{title}}", system="You know {{id}}.")[1].system == "You know 8."


def test_the_only_column_or_one_called_prompt_is_the_prompt():
    assert rows(read_table("Why?\nHow?"))[0].prompt == "Why?"
    assert rows(read_table("n,Prompt\n1,Hi\n2,Ho\n"))[1].prompt == "Ho"
    assert "Say which column is the prompt" in refused(TABLE).message


@pytest.mark.parametrize(
    ("columns", "texts", "words", "field"),
    [
        (Columns(), {"template": "{{titel}}"}, "There is no column for {{titel}}. Did you mean {{title}}?", "template"),
        (Columns(), {"template": "{{zzzzzz}}"}, "There are {{id}}, {{title}}, {{Body_text}}.", "template"),
        (Columns(), {"template": "{{title}}", "system": "{{steps.x.output}}"}, "{{steps.x.output}}", "system"),
        (Columns(prompt="titel"), {}, "There is no column “titel”. Did you mean “title”?", "columns.prompt"),
        (Columns(prompt="id", metadata=["nope"]), {}, "There is no column “nope”", "columns.metadata"),
        (Columns(prompt="id", model="zz"), {}, "There are id, title, Body text.", "columns.model"),
        (Columns(prompt="id"), {"template": "{{id}}"}, "not both", "template"),
        (Columns(prompt="id", system="id"), {"system": "x"}, "not both", "system"),
    ],
)
def test_a_column_that_does_not_exist_is_refused_with_the_nearest(columns, texts, words, field):
    error = refused(TABLE, columns, **texts)
    assert words in error.message
    assert error.detail["field"] == field


def test_a_column_may_be_named_as_placeholders_write_it():
    assert rows(TABLE, Columns(prompt="Body_text"))[0].prompt == "first"


def test_an_empty_prompt_is_told_with_its_line():
    table = read_table("a,b\n1,x\n2, \n")
    error = refused(table, Columns(prompt="b"))
    assert (error.message, error.detail["line"]) == ("Line 3: its prompt is empty.", 3)


def test_what_does_not_fit_is_told_with_its_line():
    table = table_of([{"q": "a", "ref": "x" * 201, "i": [1]}])
    assert "Row 1: “ref” has more than 200 characters." in refused(table, Columns(prompt="q", client_ref="ref")).message
    assert "Row 1: images are base64 texts." in refused(table, Columns(prompt="q", images="i")).message


def test_a_template_that_quotes_nothing_is_known_as_such():
    assert mapping_of(TABLE, Columns(), template="Tell a joke.").quotes_nothing
    assert not mapping_of(TABLE, Columns(), template="{{id}}").quotes_nothing


def test_a_sample_shows_cells_as_texts():
    assert sample(table_of([{"a": 1, "b": None}]), 3) == [{"a": "1", "b": ""}]
