"""Ollama's options: all of the contract in one table, made right or refused with words."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.errors import InvalidInput
from orchestration.policy.options import OPTIONS, RETIRED_OPTIONS, RUNNER_OPTIONS, check_options, checked_options

CONTRACT = {
    *("num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread", "use_mmap", "draft_num_predict"),
    *("num_predict", "num_keep", "seed", "temperature", "top_k", "top_p", "min_p", "typical_p", "repeat_last_n"),
    *("repeat_penalty", "presence_penalty", "frequency_penalty", "stop"),
}


def test_every_option_of_the_contract_is_in_the_table_with_words_for_people() -> None:
    assert set(OPTIONS) == CONTRACT
    for option in OPTIONS.values():
        assert all((option.label, option.help, option.usual, option.type_word))


def test_runner_options_are_those_that_reload_a_model() -> None:
    assert {"num_batch", "num_gpu", "main_gpu", "num_thread", "use_mmap", "draft_num_predict"} == RUNNER_OPTIONS


def test_a_model_may_have_runner_options() -> None:
    assert check_options({"num_gpu": 0, "use_mmap": False}, runner=True) == {"num_gpu": 0, "use_mmap": False}
    with pytest.raises(InvalidInput, match="true or false"):
        check_options({"use_mmap": 1}, runner=True)


def test_every_problem_is_named() -> None:
    checked, problems = checked_options({"temperature": 99, "top_q": 1, "seed": 1})
    assert checked == {"seed": 1}
    assert problems == {
        "temperature": "The option temperature is 99; it takes 0 to 10.",
        "top_q": "There is no option top_q. Did you mean top_p?",
    }
    with pytest.raises(InvalidInput) as refusal:
        check_options({"temperature": 99, "top_q": 1})
    assert refusal.value.detail["fields"] == problems


def test_good_options_pass_with_their_types_made_right() -> None:
    given_options = {"temperature": 1, "seed": 7.0, "stop": "END", "num_ctx": 8192, "top_p": 0.9}
    assert check_options(given_options) == {
        "temperature": 1.0,
        "seed": 7,
        "stop": ["END"],
        "num_ctx": 8192,
        "top_p": 0.9,
    }
    assert isinstance(check_options(given_options)["seed"], int)


def test_a_slip_of_the_pen_is_answered_with_the_right_name() -> None:
    with pytest.raises(InvalidInput, match="Did you mean temperature"):
        check_options({"temprature": 0.5})


def test_an_unknown_option_is_answered_with_those_there_are() -> None:
    with pytest.raises(InvalidInput, match="Known options: num_ctx"):
        check_options({"zzz": 1})


@pytest.mark.parametrize("name", sorted(RUNNER_OPTIONS))
def test_what_would_reload_the_model_is_refused_with_that_reason(name: str) -> None:
    with pytest.raises(InvalidInput, match="reload its model") as refusal:
        check_options({name: 1})
    assert refusal.value.detail["option"] == name


@pytest.mark.parametrize("name", sorted(RETIRED_OPTIONS))
def test_what_servers_ignore_today_is_dropped(name: str) -> None:
    assert check_options({name: 1}) == {}


def test_none_means_not_set() -> None:
    assert check_options({"temperature": None}) == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -0.1),
        ("temperature", 11),
        ("temperature", "warm"),
        ("temperature", True),
        ("temperature", float("nan")),
        ("temperature", float("inf")),
        ("top_p", 1.5),
        ("top_k", 2.5),
        ("seed", "one"),
        ("num_ctx", 0),
        ("num_ctx", 10**9),
        ("seed", float("nan")),
        ("seed", float("inf")),
        ("seed", 10**19),
        ("temperature", 10**400),
        ("stop", [1]),
        ("stop", {"a": "b"}),
    ],
)
def test_a_bad_value_is_refused_with_the_option_named(name: str, value: Any) -> None:
    with pytest.raises(InvalidInput, match=name):
        check_options({name: value})


@given(options=st.dictionaries(st.sampled_from(sorted(OPTIONS)), st.integers() | st.floats() | st.text() | st.none()))
def test_what_passes_once_passes_again_unchanged(options: dict[str, Any]) -> None:
    try:
        checked = check_options(options)
    except InvalidInput:
        return
    assert check_options(checked) == checked
