"""The form of a batch: what it makes of what is pasted, dropped and chosen."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import QueryDict

from dashboard import batch_forms
from dashboard.batch_forms import BatchForm
from orchestration import queries
from orchestration.errors import InvalidInput
from orchestration.policy.tables import Format

pytestmark = pytest.mark.django_db


@pytest.fixture
def form(agent):
    def make(query="", files=None, **fields):
        data = QueryDict(query, mutable=True)
        data.update({"agent": agent.pk, "type": "generate", "priority": "1", **fields})
        return BatchForm(data, files or {}, agents=queries.agents(), models=[])

    return make


def dropped(data, name="rows.csv"):
    return {"file": SimpleUploadedFile(name, data)}


def test_what_is_pasted_has_the_line_ends_of_a_file(form):
    assert [row.place for row in form(text="a\r\nb\r\n").table.rows] == [1, 2]


def test_a_file_counts_more_than_what_is_pasted(form):
    found = form(text="x", files=dropped(b"q\nWhy?\n"))
    assert (found.table.columns, found.source) == (["q"], "rows.csv")


def test_the_format_that_was_chosen_counts(form):
    assert form(text="a,b\n1,2\n", format="list").table.format == Format.LIST


def test_columns_that_are_gone_are_forgotten(form):
    found = form("metadata=a&metadata=gone", text="a,b\n1,2\n3,4\n", client_ref="gone", model="b", template="{{a}}")
    assert found.is_valid()
    columns = found.batch().columns
    assert (columns.client_ref, columns.model, list(columns.metadata)) == ("", "b", ["a"])


def test_an_embedding_takes_no_options(form):
    found = form(text="x", type="embed", temperature="1", think="on", answer="json")
    assert found.is_valid()
    task = found.batch().task
    assert (task.parameters, task.think, task.format) == ({}, None, None)


def test_what_was_dropped_stays_in_the_page_unless_it_is_large(form, monkeypatch):
    small = form(files=dropped(b"q\nWhy?\n"))
    assert small.keep_rows()
    assert small["text"].value() == "q\nWhy?\n"
    monkeypatch.setattr(batch_forms, "KEPT_CHARACTERS", 3)
    assert not form(files=dropped(b"q\nWhy?\n")).keep_rows()
    assert not form(files=dropped(b"\xff")).keep_rows()
    assert form(text="x").keep_rows()


def test_the_same_rows_with_the_same_key_are_the_same_batch(form):
    first, second, other = (form(text=text, form_key="k") for text in ("x\ny", "x\ny", "x\nz"))
    keys = [each.idempotency_key(each.batch()) for each in (first, second, other) if each.is_valid()]
    assert keys[0] == keys[1] != keys[2]


def test_the_first_problem_names_its_field(form):
    found = form(text="x", max_parallel="0")
    problem = found.first_problem()
    assert isinstance(problem, InvalidInput)
    assert problem.message.startswith("Rows at once: ")
    assert form(text="x").first_problem() is None


def test_a_type_that_is_installed_takes_its_parameters_beside_the_options(form, packages):
    packages.add("class Count:\n    async def run(self, context): ...", task_types={"count-words": "Count"})
    found = form(text="x", type="count-words", parameters='{"by": 2}', seed="7")
    assert found.is_valid()
    task = found.batch().task
    assert (task.type, task.parameters) == ("count-words", {"by": 2, "options": {"seed": 7}})
