"""The presets that every Drover has."""

import pytest

from orchestration.policy.options import check_options
from orchestration.policy.presets import BUILT_IN


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_built_in_presets_are_of_options_that_a_task_may_set(name: str) -> None:
    preset = BUILT_IN[name]
    assert check_options(preset.options) == preset.options
    assert preset.about


def test_there_is_a_preset_for_each_usual_wish() -> None:
    assert list(BUILT_IN) == ["balanced", "creative", "precise", "fast", "long context"]
