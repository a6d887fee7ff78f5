"""The page of outputs: what it shows of a search, the reader and ratings, for each role."""

import pytest
from django.db import connection
from django.urls import reverse

from orchestration.models import Output, RetentionRule, Task
from orchestration.services import gathering, outputs

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]


@pytest.fixture
def at(client):
    """A browser of this person."""

    def login(user):
        client.force_login(user)
        return client

    return login


@pytest.fixture
def fish(submit):
    run = submit("Name a <b>red</b> fish.", "Name a bird.")
    ids = list(run.tasks.order_by("pk").values_list("pk", flat=True))
    for pk, output in zip(ids, ("The red <i>snapper</i>.", "A kite."), strict=True):
        Task.objects.filter(pk=pk).update(
            status="completed", output=output, model_used="llama3.2:latest", ended_at="2026-11-20T12:00:00Z"
        )
    gathering.gather(seconds=60)
    return ids


def text_of(answer):
    assert answer.status_code == 200
    return answer.content.decode()


def test_what_is_found_is_shown_with_its_words_marked_and_its_html_as_text(at, carol, fish):
    page = text_of(at(carol).get(reverse("outputs"), {"q": "red"}))
    assert "The <mark>red</mark> &lt;i&gt;snapper&lt;/i&gt;." in page
    assert "<i>snapper" not in page
    assert "A kite." not in page
    assert f"{reverse('output', args=[fish[0]])}?q=red" in page


def test_facets_lead_to_narrower_searches_and_chips_back(at, carol, fish, as_bob):
    outputs.edit(actor=as_bob, task_id=fish[0], rating=5)
    page = text_of(at(carol).get(reverse("outputs"), {"q": "name"}))
    assert "?q=name&amp;rating=5" in page
    narrowed = text_of(at(carol).get(reverse("outputs"), {"q": "name", "rating": "5"}))
    assert "5 stars" in narrowed
    assert "kite" not in narrowed
    assert 'aria-label="Remove rating 5 stars"' in narrowed


def test_an_empty_search_and_an_empty_shelf_say_different_things(at, carol, fish):
    assert "Nothing matches" in text_of(at(carol).get(reverse("outputs"), {"q": "whale"}))
    Task.objects.all().delete()
    assert "No answers yet" in text_of(at(carol).get(reverse("outputs")))


def test_odd_filters_are_answered_in_words(at, carol, db):
    assert at(carol).get(reverse("outputs"), {"colour": "red"}).status_code == 400


def test_the_reader_shows_an_answer_beside_the_list_and_by_itself(at, carol, fish):
    client = at(carol)
    beside = text_of(client.get(reverse("outputs"), {"open": fish[1]}))
    alone = text_of(client.get(reverse("output", args=[fish[1]])))
    for page in (beside, alone):
        assert '<pre class="raw">A kite.</pre>' in page
    assert client.get(reverse("output", args=[999999])).status_code == 404


def test_people_who_may_not_rate_see_why(at, carol, bob, fish):
    assert "This needs the role operator" in text_of(at(carol).get(reverse("output", args=[fish[0]])))
    assert "This needs the role" not in text_of(at(bob).get(reverse("output", args=[fish[0]])))


def test_a_rating_tags_and_a_note_are_saved_and_taken_away(at, bob, fish):
    client, path = at(bob), reverse("output-edit", args=[fish[0]])
    rated = client.post(path, {"rating": "4"}, headers={"Accept": "application/json"})
    assert rated.json()["message"] == "Rated 4 of 5."
    client.post(path, {"tags": "sea, food", "note": "Good."})
    row = Output.objects.get(pk=fish[0])
    assert (row.rating, row.note, [each.tag for each in row.tags.order_by("tag")]) == (4, "Good.", ["food", "sea"])
    client.post(path, {"rating": "0"})
    row.refresh_from_db()
    assert row.rating is None
    assert client.post(path, {"rating": "x"}, headers={"Accept": "application/json"}).status_code == 400


def test_how_long_texts_are_kept_is_said(at, carol, fish):
    RetentionRule.objects.create(text_days=30)
    assert "text removed after 30 days, numbers kept" in text_of(at(carol).get(reverse("outputs")))


def test_a_text_that_was_removed_is_said_to_be(at, carol, fish):
    outputs.remove_text([fish[0]], Output.objects.get(pk=fish[0]).ended_at)
    for url in (reverse("outputs"), reverse("output", args=[fish[0]])):
        assert "removed by the retention policy" in text_of(at(carol).get(url))


def test_a_page_costs_few_queries(at, carol, fish, django_assert_max_num_queries):
    client = at(carol)
    client.get(reverse("outputs"))
    with django_assert_max_num_queries(22 if connection.vendor == "sqlite" else 28):  # PostgreSQL is asked for its plan
        client.get(reverse("outputs"), {"q": "name", "open": fish[0]})
