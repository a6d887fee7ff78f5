"""Place in line and expected start: never a number that nothing supports, and bounds that hold."""

import heapq
import math
import random

import pytest

from orchestration.policy.outlook import (
    Ahead,
    Pace,
    Start,
    elapsed_words,
    expected_start,
    line_words,
    others_ahead,
    pace,
    start_words,
)

MEAN = 20.0


@pytest.mark.parametrize(("next_seconds", "per_second"), [(None, 1.0), (3.0, None), (3.0, 0.0)])
def test_without_a_speed_there_is_no_expected_start(next_seconds, per_second):
    known = pace(next_seconds, per_second, at_once=None, passed=0)
    assert known is None
    assert expected_start(Ahead(least=0, most=0), known) is None


def test_the_time_since_the_summary_counts():
    assert pace(12.0, 0.5, at_once=4, passed=5.0) == Pace(next_seconds=7.0, per_second=0.5, at_once=4)
    assert pace(12.0, 0.5, at_once=4, passed=50.0) == Pace(next_seconds=0.0, per_second=0.5, at_once=4)


def test_of_many_runs_the_first_ends_sooner_than_any_single_one_is_expected_to():
    assert pace(7.0, 0.8, at_once=None, passed=0) == Pace(next_seconds=1.25, per_second=0.8)


def test_the_bounds_of_a_range_in_line_are_those_of_its_ends():
    line = Pace(next_seconds=2.0, per_second=1.0)
    first, last = (expected_start(Ahead(least=n, most=n), line) for n in (3, 30))
    both = expected_start(Ahead(least=3, most=30), line)
    assert (both.earliest, both.latest) == (first.earliest, last.latest)


def test_a_line_beyond_counting_has_an_earliest_start_only():
    start = expected_start(Ahead(least=1000, most=None), Pace(next_seconds=2.0, per_second=1.0))
    assert start.latest is None
    assert 600 < start.earliest < 1002


def test_after_a_load_as_many_start_at_once_as_there_are_slots():
    load = Pace(next_seconds=18.0, per_second=0.4, at_once=4)
    starts = [expected_start(Ahead(least=n, most=n), load) for n in range(6)]
    assert starts[0] == starts[3]
    assert starts[3].latest < starts[4].latest < starts[5].latest
    assert starts[0].earliest < 18 < starts[0].latest


def _trial(rng: random.Random, slots: int, ahead: int) -> tuple[Start, float]:
    """Slots that have been busy for long, with lengths as answers have them; when the one in line really starts."""

    def length() -> float:
        return MEAN * math.exp(rng.gauss(-0.125, 0.5))

    runs = [(length(), 0.0) for _ in range(slots)]
    heapq.heapify(runs)
    while runs[0][0] < 10 * MEAN:
        heapq.heapreplace(runs, (runs[0][0] + length(), runs[0][0]))
    now = 10 * MEAN
    left = min(max(MEAN - (now - began), (now - began) / 2) for _, began in runs)
    start = expected_start(Ahead(least=ahead, most=ahead), pace(left, slots / MEAN, at_once=None, passed=0))
    assert start is not None
    for _ in range(ahead):
        heapq.heapreplace(runs, (runs[0][0] + length(), runs[0][0]))
    return start, runs[0][0] - now


@pytest.mark.parametrize("slots", [1, 4, 16])
@pytest.mark.parametrize("ahead", [0, 2, 10, 60])
def test_nine_of_ten_tasks_start_within_the_bounds(slots, ahead):
    rng = random.Random(4)
    trials = [_trial(rng, slots, ahead) for _ in range(200)]
    assert sum(start.earliest <= waited <= (start.latest or 0) for start, waited in trials) >= 180


def test_long_lines_have_close_bounds():
    start = expected_start(Ahead(least=100, most=100), Pace(next_seconds=1.0, per_second=1.0))
    assert start.latest < 2.5 * start.earliest


@pytest.mark.parametrize(
    ("own", "mine", "others", "ahead"),
    [
        (0, 500.0, [(9000.0, 800)], 0),  # who dumped 800 has received more: I am next
        (0, 500.0, [(500.0, 800)], 1),  # equal so far
        (2, 500.0, [(500.0, 800)], 3),  # then by turns
        (0, 900.0, [(500.0, 800)], 3),  # a lead of mine is theirs to catch up with
        (0, 900.0, [(500.0, 2)], 2),  # no more than they have
        (1, 500.0, [(500.0, 5), (600.0, 5), (700.0, 5)], 4),
    ],
)
def test_other_users_go_first_only_for_as_much_as_they_are_behind(own, mine, others, ahead):
    assert others_ahead(own, mine, others, work=200.0) == ahead


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (None, ""),
        (Ahead(least=0, most=0), "next in line"),
        (Ahead(least=2, most=2), "3rd in line"),
        (Ahead(least=10, most=10), "11th in line"),
        (Ahead(least=21, most=21), "22nd in line"),
        (Ahead(least=0, most=4), "1st to 5th in line"),
        (Ahead(least=1000, most=None), "more than 1,000 ahead"),
        (Ahead(least=0, most=None), ""),
    ],
)
def test_the_place_in_words(ahead, words):
    assert line_words(ahead) == words


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (None, ""),
        (Start(earliest=30.0, latest=50.0), "≈40 s"),
        (Start(earliest=41.0, latest=118.0), "40 s – 2 min"),
        (Start(earliest=1.0, latest=18.0), "within 20 s"),
        (Start(earliest=0.0, latest=3.0), "in a few seconds"),
        (Start(earliest=200.0, latest=300.0), "≈4 min"),
        (Start(earliest=9000.0, latest=13000.0), "≈3 h"),
        (Start(earliest=750.0, latest=None), "not before 12 min"),
        (Start(earliest=1.0, latest=None), ""),
    ],
)
def test_the_start_in_words(start, words):
    assert start_words(start) == words


def test_a_load_says_how_far_it_is():
    assert elapsed_words(12.3, 18.2) == "12 s of about 18 s"
    assert elapsed_words(12.3, None) == "12 s"
