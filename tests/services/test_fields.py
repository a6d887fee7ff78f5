"""Named fields set on an object, and Django's complaints turned into ours."""

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction

from orchestration.errors import Conflict, InvalidInput
from orchestration.models import Agent
from orchestration.services.fields import apply, invalid, save


def test_known_fields_are_set_and_unknown_ones_named() -> None:
    agent = Agent()
    apply(agent, {"name": "coder"}, ("name",))
    assert agent.name == "coder"
    with pytest.raises(InvalidInput, match=r"no field a, z") as refusal:
        apply(agent, {"z": 1, "a": 2, "name": "other"}, ("name",))
    assert refusal.value.detail == {"fields": ["a", "z"]}
    assert agent.name == "coder"


def test_every_problem_is_in_the_words_and_by_field() -> None:
    with pytest.raises(ValidationError) as complaint:
        Agent(name="", kind="wizard").full_clean(exclude=["owner"])
    error = invalid(complaint.value, Agent())
    assert isinstance(error, InvalidInput)
    assert set(error.detail["fields"]) == {"name", "kind"}
    assert "wizard" in error.message


def test_a_name_that_is_taken_is_a_conflict(agent: Agent) -> None:
    with pytest.raises(ValidationError) as complaint:
        Agent(name=agent.name).full_clean(exclude=["owner"])
    assert isinstance(invalid(complaint.value, Agent()), Conflict)


def test_a_name_that_somebody_takes_between_the_check_and_the_save_is_a_conflict(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Agent, "full_clean", lambda *_, **__: None)
    with pytest.raises(Conflict, match="another agent"), transaction.atomic():
        save(Agent(name=agent.name))
    assert Agent.objects.count() == 1
