"""What is wrong with how models are to answer, every problem by its field."""

import pytest

from orchestration.models import FleetDefaults, Preset
from orchestration.services.manners import check_manner, check_values

pytestmark = pytest.mark.django_db


def test_what_is_right_is_made_right() -> None:
    row = FleetDefaults(options={"temperature": 1, "num_gpu": 0}, think="max", preset="fast")
    assert check_manner(row, preset=True) == {}
    assert isinstance(row.options["temperature"], float)


def test_every_problem_is_named() -> None:
    row = FleetDefaults(options={"temperature": "hot", "top_q": 1}, think="hard", preset="nothing")
    assert set(check_manner(row, preset=True)) == {"temperature", "top_q", "think", "preset"}
    assert "preset" not in check_manner(row, preset=False)


def test_runner_options_are_for_models_and_the_fleet() -> None:
    assert set(check_values(Preset(options={"num_gpu": 0}), runner=False)) == {"num_gpu"}
    assert check_values(Preset(options={"num_gpu": 0}), runner=True) == {}
    assert set(check_values(Preset(options=[]), runner=False)) == {"options"}
