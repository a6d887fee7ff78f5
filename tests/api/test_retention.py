"""Retention over REST: rules, dry runs, and clean-ups that are asked for and then done by the process that leads."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from orchestration.models import Agent, Run, Task
from orchestration.policy.states import TaskStatus
from orchestration.services.retention import carry_on

from .conftest import ApiClient, refusal

NOTHING = {"texts": 0, "tasks": 0, "bytes": 0, "oldest": None, "newest": None}


@pytest.fixture
def old(submit: Callable[..., Run]) -> list[Task]:
    submit("Name a river.", "Name another.")
    ended = timezone.now() - timedelta(days=40)
    Task.objects.update(status=TaskStatus.COMPLETED, ended_at=ended, output="The Elbe.")
    return list(Task.objects.order_by("pk"))


def test_rules_are_made_listed_changed_and_taken_back(alice_api: ApiClient, carol_api: ApiClient, agent: Agent) -> None:
    response = alice_api.post("retention", {"agent_id": "writer", "text_days": 30, "task_days": 365})
    made = response.json()
    assert response.status_code == 201, made
    assert (made["agent"], made["agent_id"], made["text_days"], made["keep_collected"]) == (
        "writer",
        agent.pk,
        30,
        True,
    )
    assert made["words"] == "texts after 30 days, tasks after 365 days"
    others = alice_api.post("retention", {"text_days": 90}).json()
    assert others["agent"] is others["agent_id"] is None
    found = carol_api.get("retention").json()
    assert [rule["id"] for rule in found["rules"]] == [made["id"], others["id"]]
    assert found["next_cleanup_at"] is not None
    assert found["sink"] is None
    changed = alice_api.put(f"retention/{made['id']}", {"text_days": 7, "keep_collected": False}).json()
    assert (changed["text_days"], changed["task_days"], changed["keep_collected"]) == (7, None, False)
    assert alice_api.delete(f"retention/{made['id']}").status_code == 204
    refusal(alice_api.delete(f"retention/{made['id']}"), 404, "not_found")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"text_days": 0}, "text_days"),
        ({"text_days": 30, "task_days": 7}, "cannot be fewer"),
        ({"agent_id": True}, "an agent's id or name, or null"),
        ({"days": 3}, "has no field days"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(alice_api: ApiClient, body: object, words: str) -> None:
    assert words in refusal(alice_api.post("retention", body), 400, "invalid_input")["message"]


def test_an_agent_has_one_rule(alice_api: ApiClient, agent: Agent) -> None:
    alice_api.post("retention", {"agent_id": agent.pk, "text_days": 30})
    refusal(alice_api.post("retention", {"agent_id": "writer"}), 409, "conflict")
    refusal(alice_api.post("retention", {"agent_id": "nobody"}), 404, "not_found")


def test_a_clean_up_does_what_its_dry_run_told(alice_api: ApiClient, carol_api: ApiClient, old: list[Task]) -> None:
    alice_api.post("retention", {"text_days": 30})
    plan = carol_api.post("outputs/cleanup?dry_run=true").json()
    assert (plan["total"]["texts"], plan["total"]["tasks"]) == (2, 0)
    assert plan["by_agent"][0]["agent"] == "writer"
    assert plan["rules"] == [{"agent": None, "text_days": 30, "task_days": None, "keep_collected": True}]
    response = alice_api.post("outputs/cleanup", {"as_of": plan["as_of"], "expected": 2})
    asked = response.json()
    assert response.status_code == 202, asked
    assert (asked["status"], asked["expected"], asked["total"]) == ("waiting", 2, NOTHING)
    assert carry_on(go_on=lambda: True)
    done = carol_api.get(f"outputs/cleanup/{asked['id']}").json()
    assert (done["status"], done["by"], done["scheduled"]) == ("done", "alice", False)
    assert {name: done[name] for name in plan} == plan
    assert carol_api.get("outputs/cleanup").json() == {"clean_ups": [done], "next_cursor": None}
    assert alice_api.post("outputs/cleanup?dry_run=true").json()["total"] == NOTHING


@pytest.mark.usefixtures("old")
def test_a_clean_up_that_waits_can_be_stopped(alice_api: ApiClient) -> None:
    alice_api.post("retention", {"task_days": 30})
    asked = alice_api.post("outputs/cleanup", {}).json()
    stopped = alice_api.post(f"outputs/cleanup/{asked['id']}/stop").json()
    assert (stopped["status"], stopped["stopped_by"]) == ("stopped", "alice")
    refusal(alice_api.post(f"outputs/cleanup/{asked['id']}/stop"), 409, "conflict")
    assert carry_on(go_on=lambda: True) is None
    assert Task.objects.count() == 2


@pytest.mark.usefixtures("old")
def test_more_than_expected_is_refused_with_the_count(alice_api: ApiClient) -> None:
    alice_api.post("retention", {"text_days": 30})
    assert refusal(alice_api.post("outputs/cleanup", {"expected": 1}), 409, "conflict")["detail"] == {"matched": 2}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"as_of": "yesterday"}, "as_of"),
        ({"as_of": "2026-01-01T00:00:00"}, "as_of"),
        ({"as_of": "9999-12-31T23:59:59Z"}, "as_of"),
        ({"as_of": "0001-01-01T00:00:00Z"}, "as_of"),
        ({"expected": -1}, "expected"),
        ({"expected": "2"}, "expected"),
    ],
)
@pytest.mark.parametrize("query", ["?dry_run=true", ""])
def test_what_cannot_be_asked_for_is_told(alice_api: ApiClient, body: Any, words: str, query: str) -> None:
    alice_api.post("retention", {"text_days": 30})
    told = refusal(alice_api.post(f"outputs/cleanup{query}", body), 400, "invalid_input")
    assert words in str(told)


def test_only_maintainers_have_things_removed(bob_api: ApiClient, carol_api: ApiClient) -> None:
    for api in (bob_api, carol_api):
        refusal(api.post("retention", {"text_days": 1}), 403, "not_allowed")
        refusal(api.post("outputs/cleanup", {}), 403, "not_allowed")
        assert api.post("outputs/cleanup?dry_run=true").status_code == 200
    refusal(bob_api.get("outputs/cleanup/99"), 404, "not_found")
