"""Counting in batches: groups, numbers of rows, when it ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.policy.batches import Groups, Numbers, eta, grouped, ranges


def test_neighbours_with_the_same_key_share_a_call_up_to_the_most():
    assert grouped(["a"] * 130 + ["b"] * 3 + ["a"], 64) == [64, 64, 2, 3, 1]
    assert grouped([], 64) == []


@given(st.lists(st.sampled_from("ab"), max_size=60), st.integers(1, 7))
def test_groups_hold_every_row_once_and_never_mix(keys, most):
    sizes = grouped(keys, most)
    assert sum(sizes) == len(keys)
    assert all(0 < size <= most for size in sizes)
    start = 0
    for size in sizes:
        assert len(set(keys[start : start + size])) == 1
        start += size


def test_numbers_become_ranges():
    assert ranges([1, 2, 3, 7, 9, 10]) == [(1, 3), (7, 7), (9, 10)]
    assert ranges([]) == []


@given(st.sets(st.integers(1, 60)))
def test_rows_keep_the_numbers_of_their_file_when_others_are_left_out(left_out):
    kept = [number for number in range(1, 80) if number not in left_out]
    numbers = Numbers(ranges(sorted(left_out)))
    assert [numbers.of(index) for index in range(len(kept))] == kept


def test_a_task_holds_one_row_unless_sizes_say_otherwise():
    assert (Groups(None).size(7), Groups(None).first(7), Groups(None).largest) == (1, 7, 1)
    groups = Groups([64, 64, 3])
    assert ([groups.size(n) for n in range(3)], [groups.first(n) for n in range(3)]) == ([64, 64, 3], [0, 64, 128])
    assert groups.largest == 64


def test_the_end_is_expected_from_what_ended_lately():
    found = eta(left=100, ended=10, over=1000, recently=50, recent_over=100)
    assert found is not None
    assert found.seconds == 200
    assert found.earliest < 200 < found.latest


def test_a_slow_batch_is_judged_by_all_that_ended():
    found = eta(left=10, ended=5, over=500, recently=1, recent_over=120)
    assert found is not None
    assert found.seconds == 1000


def test_more_evidence_narrows_the_band():
    few, many = (eta(left=1000, ended=n, over=n, recently=n, recent_over=n) for n in (10, 1000))
    assert few is not None
    assert many is not None
    assert few.latest / few.earliest > many.latest / many.earliest


@pytest.mark.parametrize(("left", "ended", "over"), [(0, 10, 10), (10, 1, 10), (10, 0, 0), (10, 5, 0)])
def test_what_nobody_can_know_is_none(left, ended, over):
    assert eta(left=left, ended=ended, over=over, recently=0, recent_over=0) is None
