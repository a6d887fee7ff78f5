"""Figures that were measured several times."""

import pytest

from orchestration.policy.spread import change, percentile, spread_of, student_t


def test_percentiles_lie_between_the_two_nearest_values():
    assert percentile([4, 1, 3, 2], 0.5) == 2.5
    assert percentile([1, 2], 0.95) == pytest.approx(1.95)
    assert percentile([7], 0.95) == 7


def test_the_interval_is_that_of_the_repeats():
    spread = spread_of([[9.0, 10.0, 11.0], [11.0], [12.0]])
    assert spread.repeats == (10.0, 11.0, 12.0)
    assert (spread.median, spread.q1, spread.q3) == (11.0, 10.0, 11.0)
    assert (spread.low, spread.high) == pytest.approx((11 - 4.30 / 3**0.5, 11 + 4.30 / 3**0.5))


def test_one_repeat_has_no_interval_and_none_no_spread():
    assert (spread_of([[1.0, 2.0]]).low, spread_of([[1.0, 2.0], []]).high) == (None, None)
    assert spread_of([[], []]) is None


def test_the_fewer_repeats_the_wider_the_interval():
    widths = [student_t(freedom) for freedom in (1, 2, 5, 15, 25, 45, 500)]
    assert widths == sorted(widths, reverse=True)
    assert (student_t(0.3), widths[-1]) == (12.71, 1.96)


def test_a_change_beyond_the_spread_is_sure():
    found = change([100.0, 101.0, 99.0], [80.0, 81.0, 79.0])
    assert found.percent == pytest.approx(-20)
    assert found.low < -20 < found.high < 0
    assert found.sure is True


@pytest.mark.parametrize(
    ("before", "now"),
    [([100.0, 120.0, 80.0], [90.0, 110.0, 70.0]), ([100.0, 100.0], [101.0, 101.0])],
    ids=["within the spread", "too small to matter"],
)
def test_a_change_within_the_spread_or_of_no_weight_is_none(before, now):
    assert change(before, now).sure is False


def test_one_repeat_does_not_tell_whether_a_change_is_sure():
    assert change([100.0], [50.0, 51.0]).sure is None
    assert change([], [1.0]) is None
    assert change([0.0, 0.0], [1.0, 1.0]) is None
