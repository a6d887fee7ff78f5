"""The admin's index: sections by what people look for, the latest changes, and the ways out."""

from typing import Any

import pytest
from django.contrib import admin
from django.test import Client, RequestFactory
from django.urls import NoReverseMatch

from dashboard import admin as site_module
from dashboard.admin import RECENT, SECTIONS, DroverAdminSite
from orchestration.models import Agent, User
from orchestration.permissions import SYSTEM
from orchestration.services import audit


@pytest.fixture
def index(alice: User) -> Any:
    client = Client()
    client.force_login(alice)
    return lambda: client.get("/admin/")


def test_the_site_is_ours() -> None:
    assert isinstance(admin.site._wrapped if hasattr(admin.site, "_wrapped") else admin.site, DroverAdminSite)


def test_every_table_stands_in_a_section(index: Any) -> None:
    sections = index().context["app_list"]
    assert [section["name"] for section in sections] == list(SECTIONS)
    for section in sections:
        assert tuple(model["object_name"] for model in section["models"]) == SECTIONS[section["name"]]


def test_a_table_that_nobody_placed_comes_last(index: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(site_module.SECTIONS, "People", ("User",))
    last = index().context["app_list"][-1]
    assert (last["name"], [model["object_name"] for model in last["models"]]) == ("Other", ["ApiKey"])


def test_the_page_of_one_application_stays_djangos(alice: User) -> None:
    request = RequestFactory().get("/admin/orchestration/")
    request.user = alice
    (app,) = admin.site.get_app_list(request, "orchestration")
    assert app["app_label"] == "orchestration"
    assert len(app["models"]) == sum(map(len, SECTIONS.values()))


def test_the_latest_changes_are_shown_whoever_made_them(index: Any, agent: Agent) -> None:
    for number in range(RECENT + 2):
        audit.record(SYSTEM, f"agent.touched_{number}", agent)
    page = index().content.decode()
    assert f"agent.touched_{RECENT + 1}" in page
    assert "agent.touched_1 " not in page
    assert "drover" in page


def test_an_empty_trail_says_so(index: Any) -> None:
    assert "Nothing has been changed yet." in index().content.decode()


def test_the_ways_out_lead_to_the_dashboard_and_the_queues(index: Any) -> None:
    page = index().content.decode()
    assert 'class="back" href="/"' in page
    assert 'href="/admin/rq/"' in page


def test_a_site_without_those_pages_shows_no_links_to_them(index: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    reverse = site_module.reverse

    def only_the_admin(name: str, **kwargs: Any) -> str:
        if not name.startswith("admin:"):
            raise NoReverseMatch
        return reverse(name, **kwargs)

    monkeypatch.setattr(site_module, "reverse", only_the_admin)
    page = index().content.decode()
    assert 'class="back"' not in page
    assert "RQ queues" not in page
