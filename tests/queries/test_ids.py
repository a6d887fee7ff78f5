"""Ids as they are written."""

import pytest

from orchestration.queries.ids import id_of


@pytest.mark.parametrize(
    ("text", "number"),
    [("7", 7), ("007", 7), ("9" * 18, 10**18 - 1), ("9" * 19, None), ("9" * 5000, None), ("²", None), ("٣", None)]
    + [(text, None) for text in ("", "-1", "+1", "1.0", " 1", "1\0", "x")],
)
def test_only_plain_digits_that_a_database_can_hold_are_an_id(text: str, number: int | None) -> None:
    assert id_of(text) == number
