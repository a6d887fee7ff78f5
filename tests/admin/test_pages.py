"""Every table has its pages, they obey the content policy, and they cost few queries however long the history."""

from typing import Any

import pytest
from django.contrib import admin as django_admin
from django.contrib.admin.models import LogEntry

from orchestration import models
from orchestration.models import ApiKey, Task
from tests.admin.conftest import Person

TABLES = [
    "user",
    "apikey",
    "node",
    "healthchange",
    "ollamamodel",
    "nodemodel",
    "modeldetails",
    "catalogueentry",
    "modelconfig",
    "preset",
    "fleetdefaults",
    "loadseries",
    "pull",
    "agent",
    "pause",
    "run",
    "task",
    "attempt",
    "auditentry",
    "workerprocess",
    "rolelease",
    "document",
    "output",
    "collection",
    "retentionrule",
    "cleanup",
    "usageday",
    "foldersink",
    "conversation",
    "turn",
    "memory",
    "workflow",
]
ADDABLE = {"user", "apikey", "node", "modelconfig", "preset", "agent", "pause", "task"}
DELETABLE = {"user", "node", "modelconfig", "preset", "agent", "pause", "task"}


def _first(table: str) -> Any:
    row = getattr(models, _admin_of(table).model.__name__).objects.order_by("pk").first()
    assert row is not None
    return row


def _admin_of(table: str) -> Any:
    return next(a for model, a in django_admin.site._registry.items() if model._meta.model_name == table)


def test_the_tables_are_these_and_no_others() -> None:
    assert sorted(model._meta.model_name for model in django_admin.site._registry) == sorted(TABLES)


@pytest.mark.parametrize("table", TABLES)
def test_the_list_loads_and_can_be_searched(table: str, admin: Person, history: list[Task]) -> None:
    page = admin.page(f"{table}_changelist")
    assert 'type="search"' in page
    assert "result_list" in page
    assert "result_list" not in admin.page(f"{table}_changelist", q="nothing is called so")
    assert admin.page(f"{table}_changelist", q="12345")


@pytest.mark.parametrize("table", TABLES)
def test_each_filter_of_the_list_can_be_used(table: str, admin: Person, history: list[Task]) -> None:
    response = admin.client.get(admin.url(f"{table}_changelist"))
    specs = response.context["cl"].filter_specs
    assert specs
    assert len(specs) == len(_admin_of(table).list_filter)
    for spec in specs:
        for choice in spec.choices(response.context["cl"]):
            assert admin.client.get(admin.url(f"{table}_changelist") + choice["query_string"]).status_code == 200


@pytest.mark.parametrize("table", TABLES)
def test_the_page_of_an_object_loads(table: str, admin: Person, history: list[Task]) -> None:
    assert str(_first(table))[:20].split("…")[0] in admin.page(f"{table}_change", _first(table).pk)


@pytest.mark.parametrize("table", TABLES)
def test_the_add_page_is_there_where_people_add(table: str, admin: Person, history: list[Task]) -> None:
    assert admin.status(f"{table}_add") == (200 if table in ADDABLE else 403)
    if table in ADDABLE:
        admin.page(f"{table}_add")


@pytest.mark.parametrize("table", TABLES)
def test_the_delete_page_is_there_where_people_delete(table: str, admin: Person, history: list[Task]) -> None:
    assert admin.status(f"{table}_delete", _first(table).pk) == (200 if table in DELETABLE else 403)
    if table in DELETABLE:
        assert "Keep it" in admin.page(f"{table}_delete", _first(table).pk)


@pytest.mark.parametrize("table", TABLES)
def test_the_history_of_an_object_is_its_part_of_the_audit_trail(
    table: str, admin: Person, history: list[Task]
) -> None:
    page = admin.page(f"{table}_history", _first(table).pk)
    assert "<h1>Audit entries</h1>" in page


def test_an_object_that_is_not_there_leads_back_with_words(admin: Person) -> None:
    response = admin.client.get(admin.url("task_change", 999), follow=True)
    assert "Perhaps it was deleted" in response.content.decode()


@pytest.mark.parametrize("table", ["task", "attempt", "auditentry", "run", "agent", "nodemodel"])
def test_a_longer_list_costs_no_more_queries(
    table: str, admin: Person, history: list[Task], submit: Any, django_assert_max_num_queries: Any
) -> None:
    submit(*[f"text {number}" for number in range(40)])
    with django_assert_max_num_queries(14):
        admin.page(f"{table}_changelist")


def test_long_histories_are_not_counted_to_the_end(admin: Person, submit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestration.admin.base.COUNTED", 3)
    submit(*[f"text {number}" for number in range(5)])
    assert "3 or more tasks" in " ".join(admin.page("task_changelist").split())


def test_a_number_in_the_search_is_an_id(admin: Person, history: list[Task]) -> None:
    page = admin.page("task_changelist", q=str(history[2].pk))
    assert "1 task" in " ".join(page.split())
    assert "three" in page


def test_objects_lead_to_their_page_in_the_dashboard(admin: Person, history: list[Task]) -> None:
    assert f'href="/tasks/{history[0].pk}"' in admin.page("task_change", history[0].pk)
    assert f'href="/tasks/{history[0].pk}"' in admin.page("task_changelist")
    assert f'href="/nodes/{_first("node").pk}"' in admin.page("node_change", _first("node").pk)
    assert f'href="/agents/{_first("agent").pk}"' in admin.page("agent_change", _first("agent").pk)


def test_djangos_own_log_stays_empty(admin: Person, history: list[Task]) -> None:
    admin.send("apikey_add", owner=admin.user.pk, name="mine", role="viewer", expires_at_0="", expires_at_1="")
    assert ApiKey.objects.filter(name="mine").exists()
    assert not LogEntry.objects.exists()
