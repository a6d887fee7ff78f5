"""The panel of what an agent remembers."""

import pytest

from orchestration.models import Memory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]
JSON = {"headers": {"Accept": "application/json"}}


@pytest.fixture
def keeper(make_agent, bob):
    return make_agent("keeper", memory_enabled=True, owner=bob)


@pytest.fixture
def as_user(client):
    def login(user):
        client.force_login(user)
        return client

    return login


def test_a_fact_is_pinned_worded_anew_and_forgotten_on_the_agents_page(as_user, bob, keeper):
    browser = as_user(bob)
    browser.post(f"/agents/{keeper.pk}/memories", {"text": "One."})
    fact = Memory.objects.get()
    assert "One." in browser.get(f"/agents/{keeper.pk}").text
    browser.post(f"/agents/{keeper.pk}/memories/{fact.pk}", {"text": "Two."})
    fact.refresh_from_db()
    assert fact.text == "Two."
    browser.post(f"/agents/{keeper.pk}/memories/{fact.pk}/remove")
    assert not Memory.objects.exists()


@pytest.mark.parametrize("name", ["carol", "dave"])
def test_others_see_it_and_change_nothing(name, request, as_user, keeper, alice):
    fact = Memory.objects.create(agent=keeper, text="One.", author=alice, author_name="alice")
    browser = as_user(request.getfixturevalue(name))
    page = browser.get(f"/agents/{keeper.pk}").text
    assert "Pinned by alice" in page
    assert "Forget" not in page
    assert browser.post(f"/agents/{keeper.pk}/memories/{fact.pk}", {"text": "x"}, **JSON).status_code == 403
    assert browser.post(f"/agents/{keeper.pk}/memories/{fact.pk}/remove", **JSON).status_code == 403


def test_a_viewer_pins_nothing(as_user, carol, keeper):
    assert as_user(carol).post(f"/agents/{keeper.pk}/memories", {"text": "x"}, **JSON).status_code == 403
