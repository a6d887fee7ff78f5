"""The form of an agent: what it shows comes back as it was, and what it does not show is kept."""

import pytest

from dashboard.agent_forms import PREFERENCES, AgentForm, initial_from_agent
from orchestration.models import Agent
from orchestration.policy.kinds import Kind

LEAST = {"name": "writer", "kind": "chat", "max_concurrent_tasks": "3"}


def values(agent: Agent | None = None, **given: object) -> dict[str, object]:
    form = AgentForm({**LEAST, **given})
    assert form.is_valid(), form.errors
    return form.values(agent)


def test_an_empty_prompt_is_the_one_of_its_kind_unless_none_is_meant():
    assert values()["system_prompt"] is None
    assert values(no_prompt="on")["system_prompt"] == ""
    assert values(system_prompt="Be brief.", no_prompt="on")["system_prompt"] == "Be brief."


def test_lists_are_read_a_line_or_a_comma_each():
    found = values(models="a\n b \n\n", fallbacks="c\nd", prefer_labels="fast, eu")
    assert (found["models"], found["fallbacks"], found["prefer_labels"]) == (["a", "b"], ["c", "d"], ["fast", "eu"])


def test_a_schema_is_json():
    assert values(answer_schema='{"type": "object"}')["answer_schema"] == {"type": "object"}
    assert values(answer_schema=" ")["answer_schema"] is None


@pytest.mark.parametrize("text", ["{", "[" * 100_000, '{"a": NaN}'])
def test_what_is_no_json_is_refused_at_its_field(text):
    form = AgentForm({**LEAST, "answer_schema": text})
    assert not form.is_valid()
    assert list(form.errors) == ["answer_schema"]


def test_options_and_preferences_that_are_not_shown_are_kept():
    agent = Agent(options={"mirostat": 1, "seed": 3}, routing_preferences={"digest": "a", "coding": "b"})
    found = values(agent, prefer_code="c")
    assert (found["options"], found["routing_preferences"]) == ({"mirostat": 1}, {"digest": "a", "code": "c"})


def test_what_an_agent_has_is_what_its_form_shows():
    agent = Agent(
        **{"name": "writer", "kind": "coding", "system_prompt": "", "models": ["a", "b"], "fallbacks": ["c"]},
        **{"prefer_labels": ["fast"], "answer_schema": {"type": "string"}, "think": "high", "options": {"seed": 7}},
        routing_preferences={"coding": "a"},
    )
    shown = initial_from_agent(agent)
    assert (shown["no_prompt"], shown["think"], shown["seed"], shown["prefer_code"]) == (True, "high", 7, "a")
    form = AgentForm({name: value for name, value in shown.items() if value not in (None, False)})
    assert form.is_valid(), form.errors
    back = form.values(agent)
    for name in ("name", "kind", "system_prompt", "models", "fallbacks", "prefer_labels", "answer_schema", "think"):
        assert back[name] == getattr(agent, name)
    assert (back["options"], back["routing_preferences"]) == ({"seed": 7}, {"code": "a"})


def test_every_kind_of_task_can_have_a_model():
    assert set(PREFERENCES) == set(Kind)
    assert [field.name for field in AgentForm().preferences] == [f"prefer_{kind}" for kind in PREFERENCES]


def test_an_extension_that_is_gone_stays_chosen_and_says_so():
    choices = dict(AgentForm(initial={"router": "lost"}).fields["router"].choices)
    assert choices["lost"] == "lost · not installed"
