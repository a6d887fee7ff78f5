"""The page with statistics."""

from datetime import UTC, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from orchestration.models import UsageDay

pytestmark = pytest.mark.django_db


@pytest.fixture
def carols(client, carol):
    client.force_login(carol)
    return client


@pytest.fixture
def today():
    return timezone.now().astimezone(UTC).date()


@pytest.fixture
def used(bob, today):
    for number, (agent, model) in enumerate((("writer", "llama3.2:latest"), ("poet", "hf.co/a/b:q4"))):
        place = {"agent_name": agent, "model_name": model, "node_name": "gpu-a", "type": "generate", "share": bob.pk}
        sums = {"completed": 10, "failed": number, "output_tokens": 900, "decode_seconds": 60.0, "run_seconds": 70.0}
        UsageDay.objects.create(day=today - timedelta(days=10 * number), **place, **sums)


@pytest.mark.usefixtures("used")
def test_sums_bars_and_shares(carols):
    response = carols.get(reverse("stats"))
    page = response.content.decode()
    assert response.context["total"]["completed"] == 20
    assert len(response.context["chart"].bars) == 2
    assert "2 min 00 s" in page
    assert "hf.co/a/b:q4" in page
    assert "95.2 % of 21" in page


@pytest.mark.usefixtures("used")
def test_a_range_and_a_part_are_in_the_address_and_can_be_left(carols, today):
    page = carols.get(reverse("stats"), {"days": 7, "agent": "writer"})
    assert page.context["total"]["completed"] == 10
    assert page.context["chips"] == [("agent", "writer", "days=7")]
    first = today - timedelta(days=10)
    one = carols.get(reverse("stats"), {"first_day": first, "last_day": first})
    assert one.context["total"]["completed"] == 10
    assert one.context["parts"][1]["rows"][0]["name"] == "poet"


def test_days_without_work_are_told_as_such(carols):
    assert "Nothing ended in these days" in carols.get(reverse("stats")).content.decode()


@pytest.mark.parametrize("query", [{"first_day": "soon"}, {"first_day": "2026-02-30"}, {"first_day": "9999-12-31"}])
def test_a_day_that_is_none_is_refused(carols, query):
    assert carols.get(reverse("stats"), query).status_code == 400


@pytest.mark.parametrize("days", ["x", "0", "99999999", "-3"])
def test_a_number_of_days_that_is_none_does_no_harm(carols, days):
    assert carols.get(reverse("stats"), {"days": days}).status_code == 200
