"""A comparison's cells side by side."""

from hypothesis import given
from hypothesis import strategies as st

from orchestration.policy.panels import best, letter, shuffled


def test_the_best_is_the_quickest_to_begin_and_the_fastest_to_go_on():
    cells = [
        {"first_token_seconds": 0.5, "decode_rate": 10.0, "prefill_rate": None},
        {"first_token_seconds": 0.2, "decode_rate": 9.0, "prefill_rate": 3.0},
    ]
    assert best(cells) == {"first_token_seconds": 1, "decode_rate": 0}


def test_equals_and_loners_are_not_best():
    assert best([{"decode_rate": 5.0}, {"decode_rate": 5.0}]) == {}
    assert best([{"decode_rate": 5.0}]) == {}


@given(count=st.integers(0, 12), voter=st.integers(1, 50), row=st.integers(0, 50))
def test_a_shuffle_loses_nothing_and_stays_the_same(count, voter, row):
    order = shuffled(count, run_id=3, voter_id=voter, row=row)
    assert sorted(order) == list(range(count))
    assert order == shuffled(count, run_id=3, voter_id=voter, row=row)


def test_voters_and_rows_see_different_orders():
    orders = {tuple(shuffled(4, run_id=1, voter_id=voter, row=row)) for voter in range(5) for row in range(5)}
    assert len(orders) > 8


def test_answers_are_lettered():
    assert [letter(place) for place in (0, 1, 25, 26, 27, 52)] == ["A", "B", "Z", "AA", "AB", "BA"]
