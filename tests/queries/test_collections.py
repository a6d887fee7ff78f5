"""Collections: by name, with how many answers each has."""

import pytest

from orchestration.errors import NotFound
from orchestration.models import Collection, Task, User
from orchestration.queries.collections import collection_detail, collections, get_collection
from orchestration.services import collections as service


@pytest.fixture
def best(fish, as_bob):
    return service.create(actor=as_bob, name="Best", description="Of all.", task_ids=fish[:3])


def test_they_are_listed_by_name_each_with_its_own_number_of_answers(fish, best, as_dave):
    service.create(actor=as_dave, name="Again", task_ids=fish[:1])
    service.create(actor=as_dave, name="Void")
    assert [(row["name"], row["owner"], row["outputs"]) for row in collections()] == [
        ("Again", "dave", 1),
        ("Best", "bob", 3),
        ("Void", "dave", 0),
    ]


def test_there_may_be_none(db):
    assert collections() == []


def test_the_list_costs_one_question(best, as_bob, django_assert_num_queries):
    service.create(actor=as_bob, name="Another")
    with django_assert_num_queries(1):
        collections()


def test_one_is_shown_as_it_is_listed(best, bob):
    found = collection_detail(best.pk)
    assert [found] == collections()
    assert (found["id"], found["description"], found["owner_id"]) == (best.pk, "Of all.", bob.pk)
    assert found["url"] == f"/outputs?collection={best.pk}"


def test_answers_that_are_gone_are_not_counted(fish, best):
    Task.objects.filter(pk=fish[0]).delete()
    assert collection_detail(best.pk)["outputs"] == collections()[0]["outputs"] == 2


def test_a_collection_outlives_its_owner(best):
    User.objects.filter(username="bob").delete()
    found = collection_detail(best.pk)
    assert (found["owner"], found["owner_id"], found["outputs"]) == (None, None, 3)
    assert collections() == [found]


def test_the_row_comes_with_its_owner(best, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert get_collection(best.pk).owner.username == "bob"


@pytest.mark.parametrize("read", [get_collection, collection_detail])
def test_what_is_not_there_is_not_found(db, read):
    assert not Collection.objects.exists()
    with pytest.raises(NotFound, match="no collection 7"):
        read(7)
