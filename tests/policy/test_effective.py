"""Each level overrides the one before it, for every option there is and for what is decided beside the options."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.policy.effective import (
    FLEET,
    OTHERS,
    SETTINGS,
    TASK,
    Found,
    Level,
    PresetValues,
    effective,
    first,
    is_own,
    of_agent,
    of_model,
    of_preset,
)
from orchestration.policy.options import OPTIONS

ORIGINS = (SETTINGS, FLEET, of_model("llama3.2:3b"), of_agent("writer"), TASK)


def level(origin: str, name: str, value: Any, preset: PresetValues | None = None) -> Level:
    if name in OTHERS:
        return Level(origin=origin, preset=preset, **{name: value})
    return Level(origin=origin, options={name: value}, preset=preset)


@pytest.mark.parametrize("name", [*OPTIONS, *OTHERS])
@pytest.mark.parametrize("last", range(len(ORIGINS)))
def test_the_nearest_level_that_says_something_wins(name: str, last: int) -> None:
    levels = [level(origin, name, number) for number, origin in enumerate(ORIGINS[: last + 1], start=1)]
    rest = [Level(origin=origin) for origin in ORIGINS[last + 1 :]]
    assert effective([*levels, *rest]) == {name: Found(last + 1, ORIGINS[last])}


@pytest.mark.parametrize("name", [*OPTIONS, "think"])
@pytest.mark.parametrize("origin", ORIGINS[1:])
def test_a_preset_stands_below_its_level_and_above_those_before(name: str, origin: str) -> None:
    values = {"think": "low"} if name == "think" else {"options": {name: "preset's"}}
    preset = PresetValues(name="mine", **values)
    before = level(ORIGINS[ORIGINS.index(origin) - 1], name, "before")
    through = effective([before, Level(origin=origin, preset=preset)])[name]
    assert through == Found("low" if name == "think" else "preset's", of_preset("mine", origin))
    assert effective([before, level(origin, name, "own", preset)])[name] == Found("own", origin)


def test_zero_and_false_are_said_and_nothing_is_not() -> None:
    levels = [
        Level(origin=SETTINGS, options={"temperature": 0.8}, think=True, timeout_seconds=5),
        Level(origin=TASK, options={"temperature": 0.0}, think=False),
    ]
    assert effective(levels) == {
        "temperature": Found(0.0, TASK),
        "think": Found(False, TASK),
        "timeout_seconds": Found(5, SETTINGS),
    }


def test_a_wish_lengthens_how_long_a_model_stays_and_never_shortens_it() -> None:
    model = Level(origin=of_model("a"), keep_alive_seconds=60)
    for wish, found in ((10, Found(60, "model a")), (600, Found(600, TASK))):
        assert effective([model, Level(origin=TASK, keep_alive_seconds=wish, lengthens=True)]) == {
            "keep_alive_seconds": found
        }


def test_origins_are_words_that_name_who_said_it() -> None:
    assert of_preset("creative", of_agent("writer")) == "preset creative of agent writer"
    assert of_preset("fast", TASK) == "preset fast of the task"
    assert is_own(TASK)
    assert is_own("preset fast of the task")
    assert not is_own("agent task")
    assert not is_own("preset fast of agent x")


@given(st.lists(st.dictionaries(st.sampled_from(sorted(OPTIONS)), st.integers()), max_size=5))
def test_one_thing_by_itself_is_as_among_all(said: list[dict[str, int]]) -> None:
    levels = [Level(origin=str(number), options=options) for number, options in enumerate(said)]
    whole = effective(levels)
    assert {name: first(name, reversed(levels)) for name in whole} == whole
