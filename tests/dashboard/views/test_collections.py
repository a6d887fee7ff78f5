"""Collections on the page of outputs: made, filled, renamed, emptied and deleted, for each role."""

import pytest
from django.urls import reverse

from orchestration.models import Collection, Output, Task
from orchestration.services import collections, gathering

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]
JSON = {"Accept": "application/json"}


@pytest.fixture
def at(client):
    """A browser of this person."""

    def login(user):
        client.force_login(user)
        return client

    return login


@pytest.fixture
def fish(submit):
    run = submit("Name a fish.", "Name a bird.")
    ids = list(run.tasks.order_by("pk").values_list("pk", flat=True))
    Task.objects.update(status="completed", output="A pike.", ended_at="2026-11-20T12:00:00Z")
    gathering.gather(seconds=60)
    return ids


@pytest.fixture
def best(fish, as_bob):
    return collections.create(actor=as_bob, name="Best", description="Of all.", task_ids=fish[:1])


def text_of(answer):
    assert answer.status_code == 200
    return answer.content.decode()


def members(row):
    return sorted(row.outputs.values_list("pk", flat=True))


def test_answers_are_collected_shown_and_taken_out(at, bob, fish):
    client = at(bob)
    client.post(reverse("collect"), {"ids": [fish[0]], "name": "Best"})
    row = Collection.objects.get()
    added = client.post(
        reverse("collect"), {"ids": fish, "collection": row.pk}, headers={"Accept": "application/json"}
    ).json()
    assert added["message"] == "1 of 2 added to Best, the rest was in it already."
    page = text_of(client.get(reverse("outputs"), {"collection": row.pk}))
    assert f"http://testserver/outputs?collection={row.pk}" in page
    client.post(reverse("collection-take-out", args=[row.pk]), {"ids": [fish[0]]})
    assert list(row.outputs.values_list("pk", flat=True)) == [fish[1]]
    client.post(reverse("collection-edit", args=[row.pk]), {"name": "Good", "description": "Really."})
    row.refresh_from_db()
    assert (row.name, row.description) == ("Good", "Really.")
    assert client.post(reverse("collection-delete", args=[row.pk])).url == reverse("outputs")
    assert not Collection.objects.exists()


def test_it_is_told_how_many_went_into_which(at, bob, fish, best):
    client = at(bob)

    def told(**sent):
        return client.post(reverse("collect"), {"ids": fish, **sent}, headers=JSON).json()["message"]

    assert told(name=" Good ") == "2 in the new collection Good."
    assert told(collection=best.pk) == "1 of 2 added to Best, the rest was in it already."
    assert told(collection=best.pk, name="Unused") == "0 of 2 added to Best, the rest was in it already."
    assert members(best) == fish
    taken = client.post(reverse("collection-take-out", args=[best.pk]), {"ids": fish}, headers=JSON).json()
    assert taken["message"] == "2 taken out of Best."
    assert sorted(Collection.objects.values_list("name", flat=True)) == ["Best", "Good"]


def test_nothing_ticked_and_nothing_named_is_refused(at, bob, fish):
    client = at(bob)
    for sent in ({}, {"ids": [fish[0]]}):
        refused = client.post(reverse("collect"), sent, headers={"Accept": "application/json"})
        assert refused.status_code == 400


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"ids": ["x", "-1", ""], "name": "Odd"}, 400),
        ({"ids": ["999999"], "name": "Odd"}, 400),
        ({"ids": ["{fish}"], "collection": "999999"}, 404),
        ({"ids": ["{fish}"], "collection": "x"}, 400),
        ({"ids": ["{fish}"], "name": "Best"}, 409),
        ({"ids": ["{fish}"], "name": "x" * 121}, 400),
    ],
)
def test_what_cannot_be_collected_is_refused_and_nothing_is_made(at, bob, fish, best, sent, status):
    sent = {**sent, "ids": [text.format(fish=fish[1]) for text in sent["ids"]]}
    assert at(bob).post(reverse("collect"), sent, headers=JSON).status_code == status
    assert Collection.objects.get() == best
    assert members(best) == fish[:1]


def test_a_change_leads_back_to_it_and_what_is_not_sent_stays(at, bob, best):
    answer = at(bob).post(reverse("collection-edit", args=[best.pk]), {"name": "Good"})
    assert answer.url == f"{reverse('outputs')}?collection={best.pk}"
    best.refresh_from_db()
    assert (best.name, best.description) == ("Good", "Of all.")


def test_answers_stay_where_their_collection_goes(at, bob, fish, best):
    answer = at(bob).post(reverse("collection-delete", args=[best.pk]), headers=JSON)
    assert answer.json()["message"] == "The collection Best is deleted. Its answers stay."
    assert Output.objects.count() == 2


def test_a_collection_of_somebody_else_is_looked_at_only(at, dave, as_bob, fish):
    row = collections.create(actor=as_bob, name="Best", task_ids=fish)
    page = text_of(at(dave).get(reverse("outputs"), {"collection": row.pk}))
    assert "This belongs to somebody else" in page
    assert "Name and description" not in page


@pytest.mark.parametrize("name", ["collection-edit", "collection-delete", "collection-take-out"])
def test_nobody_else_changes_it(at, carol, dave, fish, best, name):
    sent = {"name": "Mine", "ids": fish[:1]}
    for user in (carol, dave):
        assert at(user).post(reverse(name, args=[best.pk]), sent, headers=JSON).status_code == 403
    best.refresh_from_db()
    assert (best.name, members(best)) == ("Best", fish[:1])


def test_a_viewer_collects_nothing(at, carol, fish):
    assert at(carol).post(reverse("collect"), {"ids": fish, "name": "Mine"}, headers=JSON).status_code == 403
    assert not Collection.objects.exists()


@pytest.mark.parametrize("name", ["collect", "collection-edit", "collection-delete", "collection-take-out"])
def test_a_link_changes_nothing(at, bob, best, name):
    assert at(bob).get(reverse(name, args=[best.pk] if name != "collect" else [])).status_code == 405
