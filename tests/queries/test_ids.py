"""Ids as they are written."""

import pytest

from orchestration.errors import InvalidInput
from orchestration.queries.ids import MOST, id_of, ids_of, possible


@pytest.mark.parametrize(
    ("text", "number"),
    [("7", 7), ("007", 7), ("9" * 18, 10**18 - 1), ("9" * 19, None), ("9" * 5000, None), ("²", None), ("٣", None)]
    + [(text, None) for text in ("", "-1", "+1", "1.0", " 1", "1\0", "x")],
)
def test_only_plain_digits_that_a_database_can_hold_are_an_id(text: str, number: int | None) -> None:
    assert id_of(text) == number


def test_a_list_of_ids_is_read_or_refused():
    assert ids_of("1, 2,,3 ") == [1, 2, 3]
    assert ids_of("") == []
    with pytest.raises(InvalidInput):
        ids_of("1,two")


def test_no_row_has_a_number_beyond_what_a_database_counts_to():
    assert possible([1, MOST, 0, -1, MOST + 1, 10**30]) == {1, MOST}
