"""The load page: what it is of is in its address, and everybody who is logged in may look."""

import pytest

from orchestration.services import history
from tests.loads import MODEL, at, ended_attempt, starts_at

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]


@pytest.fixture
def page(client, carol, node):
    client.force_login(carol)
    starts_at(0)
    ended_attempt(5, node=node)
    history.record(samples=(), now=at(60))
    return lambda query="": client.get(f"/load{query}")


def test_nobody_sees_it_without_a_login(client):
    assert client.get("/load").status_code == 302


def test_models_and_nodes_can_be_chosen(page):
    text = page().text
    assert f"<option>{MODEL}</option>" in text
    assert "<option>gpu-a</option>" in text
    assert 'data-range="24h"' in text
    assert 'data-url="/api/orchestration/load/history"' in text


def test_the_address_says_what_is_shown(page):
    text = page(f"?model={MODEL}&split=node&range=7d").text
    assert f"<option selected>{MODEL}</option>" in text
    assert f'data-model="{MODEL}" data-node="" data-split="node" data-range="7d"' in text


def test_times_in_the_address_are_kept(page):
    text = page("?start=2026-01-01T00:00:00Z&end=2026-01-02T00:00:00Z").text
    assert 'data-start="2026-01-01T00:00:00.000Z" data-end="2026-01-02T00:00:00.000Z"' in text


@pytest.mark.parametrize("query", ["?range=2h", "?split=user", f"?split=model&model={MODEL}", "?start=never"])
def test_what_makes_no_sense_is_left_out(page, query):
    answer = page(query)
    assert answer.status_code == 200
    assert 'data-split="" data-range="24h" data-address' in answer.text


def test_a_range_that_cannot_be_is_refused(page):
    assert page("?start=2026-01-02T00:00:00Z&end=2026-01-01T00:00:00Z").status_code == 400


def test_names_are_not_taken_for_markup(page):
    assert "<b>x" not in page("?model=<b>x").text
