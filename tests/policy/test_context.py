"""Ollama options made right or refused with words, and the buckets of context sizes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.errors import InvalidInput
from orchestration.policy.context import (
    BUCKETS,
    IMAGE_TOKENS,
    OPTIONS,
    RETIRED_OPTIONS,
    RUNNER_OPTIONS,
    bucket,
    check_options,
    needed_tokens,
)


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


@pytest.mark.parametrize(
    ("wanted", "size"), [(None, 4096), (1, 4096), (4096, 4096), (4097, 8192), (200_000, 262_144), (10**7, 262_144)]
)
def test_a_request_gets_the_smallest_bucket_that_holds_it(wanted: int | None, size: int) -> None:
    assert bucket(wanted, default=4096) == size


@given(st.integers(1, BUCKETS[-1]), st.sampled_from(BUCKETS))
def test_a_bucket_always_holds_what_was_asked(wanted: int, default: int) -> None:
    assert wanted <= bucket(wanted, default=default) in BUCKETS


def test_text_images_and_answer_add_up() -> None:
    assert needed_tokens([]) == 0
    assert needed_tokens(["x" * 35, "y" * 35]) == 20
    assert needed_tokens(["x" * 35], images=2, answer=250) == 10 + 2 * IMAGE_TOKENS + 250


def test_a_character_that_takes_three_bytes_is_nearly_a_token() -> None:
    assert needed_tokens(["\u6c34" * 70]) == 60
    assert needed_tokens(["\ud800"]) == 1


@given(st.lists(st.text()), st.integers(0, 16), st.integers(0, 10_000))
def test_more_text_never_needs_less(texts: list[str], images: int, answer: int) -> None:
    need = needed_tokens(texts, images=images, answer=answer)
    assert need >= answer + images * IMAGE_TOKENS
    assert needed_tokens([*texts, "more"], images=images, answer=answer) > need
