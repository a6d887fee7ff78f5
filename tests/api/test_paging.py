"""Pages of lists that are read whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.api.paging import page
from orchestration.errors import InvalidInput


@given(items=st.lists(st.integers(), max_size=40), limit=st.integers(1, 10))
def test_the_pages_together_are_the_list(items: list[int], limit: int) -> None:
    seen, cursor, pages = [], None, 0
    while pages == 0 or cursor is not None:
        rows, cursor = page(items, limit=limit, cursor=cursor)
        seen += rows
        pages += 1
        assert len(rows) <= limit
    assert seen == items
    assert pages == max(1, -(-len(items) // limit))


def test_a_page_beyond_the_end_is_empty() -> None:
    assert page([1, 2], limit=5, cursor="9" * 40) == ([], None)


@pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "²", " 1"])
def test_a_cursor_that_nobody_gave_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidInput, match="next_cursor"):
        page([1], limit=1, cursor=cursor)
