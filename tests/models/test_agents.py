"""Agents: one name each, gone without taking their work along."""

from collections.abc import Callable

import pytest
from django.core.exceptions import ValidationError

from orchestration.models import Agent, Run, User
from tests.models.conftest import MakeTask, Refused


def test_two_agents_cannot_have_one_name(agent: Agent, refused: Refused) -> None:
    with refused():
        Agent.objects.create(name=agent.name)
    Agent.objects.create(name="another")


def test_the_tasks_of_a_deleted_agent_keep_its_name(agent: Agent, run: Run, make_task: MakeTask) -> None:
    task = make_task()
    agent.delete()
    task.refresh_from_db()
    run.refresh_from_db()
    assert (task.agent_id, task.agent_name) == (None, "writer")
    assert (run.agent_id, run.agent_name) == (None, "writer")


def test_an_agent_outlives_its_owner(agent: Agent, bob: User) -> None:
    bob.delete()
    agent.refresh_from_db()
    assert agent.owner is None


def test_a_new_agent_may_use_any_model_and_shares_no_settings_with_others() -> None:
    one, two = Agent(name="one"), Agent(name="two")
    one.models.append("phi4:latest")
    one.options["seed"] = 7
    one.routing_preferences["code"] = "phi4:latest"
    assert (two.models, two.options, two.routing_preferences) == ([], {}, {})


def test_agents_are_listed_by_name(make_agent: Callable[..., Agent]) -> None:
    for name in ("summer", "autumn", "spring"):
        make_agent(name)
    assert list(Agent.objects.values_list("name", flat=True)) == ["autumn", "spring", "summer"]


@pytest.mark.parametrize(
    "field",
    [
        {"max_concurrent_tasks": 0},
        {"timeout_seconds": 0.5},
        {"max_tries": 0},
        {"kind": "wizard"},
        {"name": ""},
        {"name": "n" * 81},
    ],
)
def test_what_no_agent_can_be_is_refused_by_name(db: None, field: dict[str, object]) -> None:
    Agent(name="fine").full_clean()
    with pytest.raises(ValidationError) as refusal:
        Agent(**{"name": "fine", **field}).full_clean()
    assert set(refusal.value.message_dict) == set(field)


def test_a_number_below_zero_is_kept_out_by_the_database(db: None, refused: Refused) -> None:
    with refused():
        Agent.objects.create(name="fine", max_concurrent_tasks=-1)
