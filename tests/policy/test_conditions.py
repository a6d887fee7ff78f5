"""Conditions: what they mean, what is refused, and that values never count as syntax."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.errors import InvalidInput
from orchestration.policy.conditions import LONGEST, parse


@pytest.mark.parametrize(
    ("text", "value", "holds"),
    [
        ('{{x}} == "yes"', "yes\n", True),
        ('{{x}} == "yes"', "Yes", False),
        ("{{x}} != 'yes'", "no", True),
        ('{{x}} contains "b"', "abc", True),
        ('{{x}} starts with "a"', "abc", True),
        ('{{x}} ends with "c"', "abc \n", True),
        ('not {{x}} ends with "c"', "abc", False),
        ("{{x}} is empty", " \n", True),
        ("{{x}} is not empty", "", False),
        ("{{ x }} < 10", "9", True),
        ("{{x}} < 10", " 9.5e0\n", True),
        ("{{x}} >= 10", "1e1", True),
        ('{{x}} == "1.0"', "1", True),
        ("{{x}} < 10", "nine", False),
        ("{{x}} == 1", "\u0661", False),
        ("{{x}} == 2", "nan", False),
        ('{{x}} < "b"', "a", True),
        ('{{x}} == "a" or {{x}} == "b" and {{x}} == "c"', "a", True),
        ('({{x}} == "a" or {{x}} == "b") and {{x}} == "c"', "a", False),
        ('NOT ({{x}} IS EMPTY) AND {{x}} CONTAINS "\\"q\\\\"', 'a "q\\ b', True),
        ('"a" == {{x}}', "a", True),
    ],
)
def test_a_condition_means_what_it_says(text: str, value: str, holds: bool) -> None:
    assert parse(text).holds({"x": value}) is holds


def test_placeholders_are_listed_once_as_written_in_the_braces() -> None:
    condition = parse('{{steps.plan.output}} contains "a" and {{input.kind}} == {{x}} or {{x}} is empty')
    assert condition.names == ("steps.plan.output", "input.kind", "x")


def test_a_placeholder_without_a_value_is_empty() -> None:
    assert parse("{{gone}} is empty").holds({})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Expected {{a step}}"),
        ("{{x}}", "Expected ==, !="),
        ("{{x}} == ", "not the end"),
        ("{{x}} = 1", "'=' is nothing that a condition may have"),
        ("{{x}} == yes", "'yes' is nothing that a condition may have"),
        ("{{x}} matches 'a.*'", "'matches' is nothing"),
        ('{{x}} == "a', "opened but not closed"),
        ("({{x}} == 1", "Expected ')'"),
        ("{{x}} == 1 {{y}} == 2", "one too many"),
        ("{{x == 1", "begins no placeholder"),
        ("{{x.}} == 1", "begins no placeholder"),
        ("{{x}} starts 'a'", "Expected 'with'"),
        ("{{x}} is full", "'full' is nothing"),
        ("not " * 40 + "{{x}} is empty", "deep"),
        ("{{x}} is empty or " * 200, "at most"),
    ],
)
def test_what_is_wrong_is_said(text: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=r"character|at most") as caught:
        parse(text)
    assert words in caught.value.message


@given(st.text())
def test_a_value_is_compared_never_read(value: str) -> None:
    condition = parse('{{x}} == "a" and {{x}} contains {{y}}')
    expected = value.strip() == "a"
    assert condition.holds({"x": value, "y": value}) is expected
    assert condition.holds({"x": 'a" or "b" == "b', "y": value}) is False


@given(st.text(max_size=40))
def test_any_text_can_be_written_in_quotes(value: str) -> None:
    written = value.replace("\\", "\\\\").replace('"', '\\"')
    assert parse(f'{{{{x}}}} == "{written}"').holds({"x": value})


@given(st.decimals(-(10**20), 10**20, allow_nan=False, places=3), st.integers(-(10**20), 10**20))
def test_numbers_are_compared_as_numbers(left: object, right: int) -> None:
    values = {"x": f" {left}\n"}
    assert parse(f"{{{{x}}}} < {right}").holds(values) is (left < right)  # type: ignore[operator]
    assert parse(f"{{{{x}}}} == {right}").holds(values) is (left == right)


@given(st.text(alphabet="{}()xy.\"' <>=!notandrismpcie0-e", max_size=80))
def test_any_text_is_a_condition_or_refused(text: str) -> None:
    try:
        condition = parse(text)
    except InvalidInput:
        return
    assert condition.holds({"x": "1"}) in (True, False)


def test_a_condition_of_the_longest_kind_is_read() -> None:
    text = " or ".join(["{{x}} is empty"] * 100)
    assert len(text) < LONGEST
    assert parse(text).holds({})
