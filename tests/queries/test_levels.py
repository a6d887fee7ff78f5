"""What each level says, and the presets that they name."""

from collections.abc import Callable

import pytest

from orchestration.errors import InvalidInput
from orchestration.models import Agent, FleetDefaults, Preset
from orchestration.queries.levels import Levels, fleet_defaults

pytestmark = pytest.mark.django_db


def test_where_nobody_decided_anything_the_defaults_say_nothing() -> None:
    assert not FleetDefaults.objects.exists()
    assert Levels().fleet.said() == {}
    assert fleet_defaults().default_model == ""


def test_built_in_presets_are_there_before_anything_has_written_them_down() -> None:
    assert Levels().wanted("fast") is not None
    Preset.objects.create(name="fast", options={"seed": 1})
    found = Levels().wanted("fast")
    assert found is not None
    assert found.options == {"seed": 1}


def test_none_is_wanted_where_none_is_named_and_a_wrong_name_is_refused() -> None:
    assert Levels().wanted("") is None
    with pytest.raises(InvalidInput, match="Did you mean precise"):
        Levels().wanted("precis")


def test_a_preset_that_is_gone_says_nothing() -> None:
    FleetDefaults.objects.create(pk=1, preset="gone", options={"seed": 1})
    assert set(Levels().fleet.said()) == {"seed"}


def test_what_its_kind_does_counts_less_than_the_preset_of_an_agent(make_agent: Callable[..., Agent]) -> None:
    agent = make_agent(kind="chat")
    assert Levels().agent(agent).said()["think"] == ("low", "agent writer")
    agent.preset = "fast"
    assert Levels().agent(agent).said()["think"] == (False, "preset fast of agent writer")
    agent.think = "high"
    assert Levels().agent(agent).said()["think"] == ("high", "agent writer")


def test_everything_is_read_once(django_assert_num_queries: Callable[..., object]) -> None:
    FleetDefaults.objects.create(pk=1, preset="fast")
    levels = Levels()
    with django_assert_num_queries(2):
        assert levels.fleet is levels.fleet
        assert levels.preset("precise") is levels.preset("precise")
