"""Shapes of bodies: what they let in as it is written, and what they turn away."""

from typing import Any

import pytest
from pydantic import ValidationError

from orchestration.api.schemas import AgentChanges, AgentNew, SubmitBody, TaskIn


def problems(shape: Any, **fields: Any) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        shape.model_validate(fields)
    return [item["msg"] for item in caught.value.errors()]


def test_changes_hold_only_what_was_sent() -> None:
    changes = AgentChanges.model_validate({"config": {"max_tries": None}, "models": []})
    assert changes.model_dump(exclude_unset=True) == {"config": {"max_tries": None}, "models": []}


def test_a_new_agent_needs_a_name() -> None:
    assert problems(AgentNew) == ["Field required"]


@pytest.mark.parametrize("wrong", ["7", 1.5, True, None])
def test_numbers_are_not_guessed_from_other_things(wrong: Any) -> None:
    assert len(problems(AgentChanges, config={"max_concurrent_tasks": wrong})) == 1


def test_a_union_has_one_problem_and_not_one_for_each_member() -> None:
    assert problems(TaskIn, type="generate", keep_alive=[]) == ['must be seconds, or a text such as "5m"']
    assert problems(TaskIn, type="generate", input=None) == ["must be a text, or for embed a list of texts"]
    assert problems(TaskIn, type="generate", format=7) == ['must be "json", a JSON schema, or "text" for none']
    assert problems(TaskIn, type="generate", think=7) == ['must be true, false, "low", "medium", "high" or "max"']


@pytest.mark.parametrize("value", [True, False, "low", None])
def test_think_takes_a_switch_or_a_level(value: Any) -> None:
    assert TaskIn.model_validate({"type": "chat", "think": value}).think == value


@pytest.mark.parametrize("agent_id", [7, "7", "writer"])
def test_an_agent_is_given_by_id_or_name(agent_id: Any) -> None:
    assert SubmitBody.model_validate({"agent_id": agent_id, "tasks": [{"type": "chat"}]}).agent_id == agent_id
