"""Lists in answers, however the model wrote them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.policy.lists import items_of


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ('["a", "b"]', ["a", "b"]),
        ('[{"n": 1}, 2]', [{"n": 1}, 2]),
        ("Here you are:\n```json\n[1, 2]\n```\nDone.", [1, 2]),
        ("- a\n* b\n\n3. c\n4) d", ["a", "b", "c", "d"]),
        ("a\nb", ["a", "b"]),
        ('{"not": "a list"}', ['{"not": "a list"}']),
        ("", []),
        ("[]", []),
        ("-5 degrees\n1.5 litres", ["-5 degrees", "1.5 litres"]),
        ("[" * 100_000, ["[" * 100_000]),
        ("[NaN, 1e999]", ["NaN", "1e999"]),
        (r'["a\u0000b\ud800", {"\u0000": "c"}]', ["ab?", {"": "c"}]),
        ("[" * 200 + "]" * 200, ["[" * 200 + "]" * 200]),
        ("```\n[1]\n[2]\n```\n\n```\n[3]\n```", ["```", "[1]", "[2]", "```", "```", "[3]", "```"]),
    ],
)
def test_items(text: str, items: list[object]) -> None:
    assert items_of(text) == items


@pytest.mark.parametrize("part", ["```a\n", "```\n ", "\n```" + " " * 50 + "x\n"])
def test_fences_without_an_end_are_read_once(part: str) -> None:
    """Looking for the end of each of them again would stop the scheduler for hours."""
    text = part * (400_000 // len(part))
    assert len(items_of(text)) == len([line for line in text.splitlines() if line.strip()])


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    assert isinstance(items_of(text), list)
