"""Series: chunks keep what they are given, coarser points are sums of finer ones, and the rows have a bound."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.policy import series
from orchestration.policy.series import HOURS, LEVELS, MINUTES, SECONDS, Track, grid_for, readings, unpacked

NOW = 1_800_000_000
NAMES = st.sampled_from(["running", "rate", "ended", "output_tokens", "running_peak", "wait_7", "loads"])
Values = st.dictionaries(NAMES, st.integers(min_value=0, max_value=1000))
Points = st.lists(Values, min_size=12, max_size=12)


def _track(points: list[dict[str, Any]]) -> Track:
    track = Track(len(points))
    for at, values in enumerate(points):
        track.add(at, values)
    return track


def _all(track: Track) -> dict[str, list[float]]:
    return {name: list(column) for name, column in track.columns.items() if any(column)}


@given(Points)
def test_a_chunk_is_read_as_it_was_written(points: list[dict[str, Any]]):
    track = _track(points)
    assert _all(unpacked(12, *track.packed())) == _all(track)


def test_nothing_at_all_takes_no_room():
    assert Track(60).packed() == (b"", b"")


def test_numbers_beyond_four_bytes_are_kept():
    track = Track(2)
    track.add(1, {"output_tokens": 2**40, "vram": 2.0**50})
    assert _all(unpacked(2, *track.packed())) == {"output_tokens": [0, 2**40], "vram": [0.0, 2.0**50]}


@given(Points, st.sampled_from([1, 2, 3, 4, 6, 12]))
def test_coarser_points_add_up_to_the_same(points: list[dict[str, Any]], factor: int):
    track = _track(points)
    coarse = track.merged(factor)
    assert coarse.size == 12 // factor
    assert coarse.total() == track.total()


@pytest.mark.parametrize("value", [3, 2**24 - 1, 2**24, 2**31, 2**32 - 1])
def test_sums_of_large_numbers_do_not_spill_into_their_neighbours(value: int):
    track = series.Track(336)
    for point in range(168, 336):
        track.add(point, {"waiting": value, "ended": 1})
    assert list(track.merged(168).column("waiting")) == [0, 168 * value]
    assert list(track.merged(168).column("ended")) == [0, 168]


@given(Points, Points)
def test_points_of_two_series_are_laid_upon_each_other(one: list[dict[str, Any]], two: list[dict[str, Any]]):
    both = _track(one)
    both.lay(0, _track(two), 0, 12)
    expected = _track(one)
    for at, values in enumerate(two):
        expected.add(at, values)
    assert _all(both) == _all(expected)


def test_a_part_is_laid_where_it_belongs():
    track, other = Track(6), _track([{"ended": number} for number in range(1, 5)])
    track.lay(3, other, 1, 4)
    assert list(track.column("ended")) == [0, 0, 0, 2, 3, 4]


def test_a_peak_is_the_highest_and_not_the_sum():
    track = _track([{"running_peak": 3}, {"running_peak": 5}, {"running_peak": 4}])
    assert track.total() == {"running_peak": 5}


def test_what_is_forgotten_is_counted_anew_and_the_rest_stays():
    track = _track([{"ended": 1, "running": 2}] * 4)
    track.forget(1, 3, series.COUNTED)
    track.add(2, {"ended": 7})
    assert _all(track) == {"ended": [1, 0, 7, 1], "running": [2, 2, 2, 2]}


def test_a_point_that_is_put_replaces_all_that_was_known_of_it():
    track = _track([{"ended": 1, "running": 2}] * 2)
    track.put(1, {"ended": 5, "rate": 1.5})
    assert _all(track) == {"ended": [1, 5], "running": [2, 0], "rate": [0.0, 1.5]}


@pytest.mark.parametrize(
    ("back", "level", "step"),
    [
        (600, SECONDS, 1),
        (3600, SECONDS, 5),
        (6 * 3600, MINUTES, 60),
        (86_400, MINUTES, 120),
        (7 * 86_400, HOURS, 3600),
        (30 * 86_400, HOURS, 3600),
        (365 * 86_400, HOURS, 43_200),
    ],
)
def test_a_range_that_ends_now_is_as_fine_as_it_can_be(back: int, level: series.Level, step: int):
    grid = grid_for(NOW - back, NOW, now=NOW, most=750)
    assert (grid.level, grid.step) == (level, step)
    assert grid.start <= NOW - back < NOW <= grid.end


def test_what_lies_far_back_is_only_as_fine_as_it_was_kept():
    grid = grid_for(NOW - 50 * 3600, NOW - 49 * 3600, now=NOW, most=750)
    assert (grid.level, grid.step) == (HOURS, 3600)


@given(st.integers(min_value=1, max_value=366 * 86_400), st.integers(min_value=0, max_value=366 * 86_400))
def test_every_range_has_a_grid_of_whole_steps(length: int, back: int):
    start = NOW - back - length
    grid = grid_for(start, start + length, now=NOW, most=750)
    assert grid.points <= 750
    assert grid.start % grid.step == grid.end % grid.step == 0
    assert grid.step % grid.level.unit == 0


def test_chunks_cover_a_range_from_its_first_point_to_its_last():
    assert MINUTES.chunks(3599, 3601) == [0, 3600]
    assert MINUTES.chunks(3600, 7200) == [3600]
    assert MINUTES.chunks(5, 5) == []


def test_the_rows_of_a_fleet_have_a_bound():
    assert series.ROWS_PER_SERIES == sum(level.most_chunks for level in LEVELS) == 147
    assert series.most_rows(10, 20) == 33_957


def test_means_are_over_the_samples_there_were_and_unknown_without_one():
    fleet = _track([{"samples": 2, "rate_samples": 1}, {"samples": 1}, {}])
    track = _track([{"running": 3, "rate": 40.0, "vram": 10.0, "vram_samples": 2}, {}, {"ended": 2, "wait_0": 2}])
    found = readings(track, fleet)
    assert found["running"] == [1.5, 0, None]
    assert found["tokens_per_second"] == [40.0, None, None]
    assert found["vram_bytes"] == [5, None, None]
    assert found["ended"] == [0, 0, 2]
    assert found["loads"] == [0, 0, None]
    assert found["first_token_p50_seconds"] == [None, None, 0.005]
