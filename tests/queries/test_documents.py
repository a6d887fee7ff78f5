"""Reads of documents that never load what they do not show."""

import pytest

from orchestration import queries
from orchestration.errors import InvalidInput, NotFound
from orchestration.services import documents

pytestmark = pytest.mark.django_db


def write(actor, *names):
    return [documents.write(actor=actor, name=name, text=f"About {name}.").document.pk for name in names]


def test_a_list_reads_no_texts(as_bob, django_assert_num_queries):
    write(as_bob, "a", "b")
    with django_assert_num_queries(1) as seen:
        rows, following = queries.documents()
    assert ([row["name"] for row in rows], following) == (["b", "a"], None)
    assert '"text"' not in seen.captured_queries[0]["sql"]


def test_documents_come_in_the_order_asked_for_and_each_once(as_bob):
    first, second = write(as_bob, "a", "b")
    assert [row["id"] for row in queries.documents_by_id([second, 99, first, second])] == [second, first]


def test_the_documents_of_a_task_are_found(as_bob, submit):
    first, second = write(as_bob, "a", "b")
    task = submit("Why?", document_ids=[second, first]).tasks.get()
    assert [row["id"] for row in queries.documents_of_task(task.pk)] == [first, second]


def test_what_does_not_exist_is_said(db):
    with pytest.raises(NotFound, match="no document 7"):
        queries.get_document(7)
    with pytest.raises(InvalidInput):
        queries.documents(cursor="b12")
