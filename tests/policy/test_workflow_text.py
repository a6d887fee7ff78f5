"""YAML both ways: nothing is lost, nothing but data is read, and complaints have their line."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.errors import InvalidInput, InvalidWorkflow
from orchestration.policy.stepping import plan
from orchestration.policy.workflow_text import from_yaml, to_yaml, with_lines
from orchestration.policy.workflows import read

WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t"), max_size=30)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=15,
)


def test_a_text_of_several_lines_is_a_block() -> None:
    assert to_yaml({"name": "x", "steps": [{"name": "a", "input": "One\nTwo {{b}}\n"}]}) == (
        "name: x\nsteps:\n  - name: a\n    input: |\n      One\n      Two {{b}}\n"
    )


@given(st.dictionaries(WORDS, PLAIN, max_size=4))
def test_what_is_written_is_read_the_same(data: dict[str, Any]) -> None:
    assert from_yaml(to_yaml(data)) == data


@pytest.mark.parametrize(
    ("text", "value"),
    [("no", "no"), ("on", "on"), ("1:30", "1:30"), ("2026-01-01", "2026-01-01"), ("010", "010"), (".inf", ".inf")],
)
def test_what_only_yaml_would_take_for_something_else_is_text(text: str, value: str) -> None:
    assert from_yaml(f"x: {text}") == {"x": value}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &x [1]\nb: *x", "Line 2: aliases are not taken"),
        ("a: !!bool maybe", "Line 1: tags are not taken"),
        ("a:\n  !!timestamp soon", "Line 2: tags are not taken"),
        ("!!set {a, b}", "Line 1: tags are not taken"),
        ("a: 1\nb: 2\na: 3", "Line 3: a stands here twice"),
        ("a: 1\n1: 2", "Line 2: names of fields are texts"),
        ("a: [1", "Line 1"),
        ("a: !!python/object/apply:os.system ['ls']", "Line 1: tags are not taken"),
        ("[" * 2000, "nested too deeply"),
        ("a: 1e999", "too large"),
        ("a: 1\n---\nb: 2", "but found another document"),
        ("x" * (600 * 1024), "at most 512 KiB"),
        ("a: \x07", "special characters are not allowed"),
    ],
)
def test_what_is_no_plain_data_is_refused_with_its_line(text: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=r".") as caught:
        from_yaml(text)
    assert words in caught.value.message


def test_problems_of_steps_get_the_line_of_the_field() -> None:
    text = (
        "name: x\nsteps:\n  - name: a\n    input: Hello\n  - name: b\n    input: |\n      {{c}}\n    depends_on: [d]\n"
    )
    with pytest.raises(InvalidWorkflow) as caught:
        plan(read(from_yaml(text)))
    told = with_lines(caught.value, text).detail["problems"]
    assert [(each["field"], each["line"]) for each in told] == [("input", 6), ("depends_on", 8)]


def test_a_problem_of_the_whole_gets_a_line_too() -> None:
    text = "description: x\nlimits:\n  max_steps: 0\nsteps: []\n"
    with pytest.raises(InvalidWorkflow) as caught:
        read(from_yaml(text))
    told = with_lines(caught.value, text).detail["problems"]
    assert [(each["field"], each["line"]) for each in told] == [("limits.max_steps", 3), ("name", 1), ("steps", 4)]
