"""Collections: made by operators, changed by their owner, full of anybody's answers."""

import pytest

from orchestration.errors import Conflict, InvalidInput, NotAllowed, NotFound
from orchestration.models import AuditEntry, Collection, Output
from orchestration.queries.output_filter import OutputFilter
from orchestration.queries.search import newest
from orchestration.services import collections, gathering


@pytest.fixture
def kept(submit, answer):
    run = submit("Name a fish.", "Name a bird.")
    for task in run.tasks.order_by("pk"):
        answer(task, "Here it is.")
    gathering.gather(seconds=0)
    return list(Output.objects.order_by("pk").values_list("pk", flat=True))


def members(row: Collection) -> list[int]:
    return sorted(newest(OutputFilter(collection=frozenset({str(row.pk)})), 10))


def test_anybodys_answers_are_put_together_and_taken_out_again(kept, as_dave):
    row = collections.create(actor=as_dave, name=" Best ", task_ids=kept[:1])
    assert (row.name, members(row)) == ("Best", kept[:1])
    assert collections.add(actor=as_dave, collection_id=row.pk, task_ids=kept) == 1
    assert members(row) == kept
    assert collections.remove(actor=as_dave, collection_id=row.pk, task_ids=kept[:1]) == 1
    assert members(row) == kept[1:]
    assert list(AuditEntry.objects.filter(action__startswith="collection").values_list("action", flat=True)) == [
        "collection.removed",
        "collection.added",
        "collection.added",
        "collection.created",
    ]


def test_a_name_is_taken_once_and_not_empty(as_bob):
    collections.create(actor=as_bob, name="Best")
    with pytest.raises(Conflict):
        collections.create(actor=as_bob, name="Best")
    with pytest.raises(InvalidInput):
        collections.create(actor=as_bob, name="  ")


def test_it_is_renamed_and_deleted_by_its_owner_and_maintainers(kept, as_bob, as_dave, as_alice, as_carol):
    row = collections.create(actor=as_bob, name="Best", task_ids=kept)
    for actor in (as_dave, as_carol):
        with pytest.raises(NotAllowed):
            collections.add(actor=actor, collection_id=row.pk, task_ids=kept)
        with pytest.raises(NotAllowed):
            collections.delete(actor=actor, collection_id=row.pk)
    assert collections.edit(actor=as_alice, collection_id=row.pk, name="Worst").name == "Worst"
    collections.delete(actor=as_bob, collection_id=row.pk)
    assert Output.objects.count() == 2


def test_a_viewer_makes_none(as_carol):
    with pytest.raises(NotAllowed):
        collections.create(actor=as_carol, name="Mine")


def test_what_is_not_there_cannot_be_collected(kept, as_bob):
    row = collections.create(actor=as_bob, name="Best")
    with pytest.raises(InvalidInput, match="no answer of task 999999"):
        collections.add(actor=as_bob, collection_id=row.pk, task_ids=[999999])
    with pytest.raises(InvalidInput):
        collections.add(actor=as_bob, collection_id=row.pk, task_ids=[])
    with pytest.raises(NotFound):
        collections.add(actor=as_bob, collection_id=999, task_ids=kept)


def test_a_collection_has_an_end(kept, as_bob, monkeypatch):
    monkeypatch.setattr(collections, "MOST_OUTPUTS", 1)
    row = collections.create(actor=as_bob, name="Best")
    with pytest.raises(Conflict, match="at most 1"):
        collections.add(actor=as_bob, collection_id=row.pk, task_ids=kept)
