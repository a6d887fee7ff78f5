"""How far a batch is, in words and as a bar."""

import re

import pytest

from dashboard.blanks import batch_row
from dashboard.templatetags.batching import expected, left, said, segments, shown, state_of, thousands, word_of

COUNTS = {"pending": 2, "running": 1, "completed": 5, "failed": 1, "cancelled": 1}


def estimate(**fields):
    return {"seconds": None, "slots": None, "prompt_tokens": None, "output_tokens": None, **fields}


def test_the_bar_is_as_full_as_rows_have_begun():
    drawn = segments(COUNTS, 10)
    assert 'aria-label="5 completed, 1 failed, 1 cancelled, 1 running, of 10 rows"' in drawn
    ends = [float(x) + float(width) for x, width in re.findall(r'x="([\d.]+)%" width="([\d.]+)%"', drawn)]
    assert ends == [50, 60, 70, 80]


def test_an_empty_bar_says_so():
    assert "nothing has ended, of 0 rows" in segments(dict.fromkeys(COUNTS, 0), 0)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [((720, 540, 1000), "≈ 12 min, 9 min to 16 min"), ((0.2, 0.1, 0.3), "≈ 1 s"), ((7300, 7300, 7400), "≈ 2 h")],
)
def test_what_is_left_has_a_band(seconds, words):
    expected_, earliest, latest = seconds
    assert left({"seconds": expected_, "earliest_seconds": earliest, "latest_seconds": latest}) == words


def test_what_nobody_knows_is_nothing():
    assert left(None) == ""
    assert expected(estimate()) == ""


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"seconds": 2280, "slots": 2, "prompt_tokens": 12_000, "output_tokens": 400_000},
            "≈ 38 min at 2 slots; about 412k tokens",
        ),
        ({"seconds": 0.1, "slots": 1}, "≈ 1 s at 1 slot"),
        ({"prompt_tokens": 900}, "about 900 tokens to read"),
    ],
)
def test_an_estimate_says_as_much_as_is_known(fields, words):
    assert expected(estimate(**fields)) == words


@pytest.mark.parametrize(("value", "words"), [(999, "999"), (12_300, "12k"), (2_500_000, "2.5M")])
def test_many_tokens_are_rounded(value, words):
    assert thousands(value) == words


def test_a_row_says_its_answer_or_what_stands_in_its_place():
    assert said({**batch_row(), "output": "yes", "error": "no", "message": "waits"}) == "yes"
    assert said({**batch_row(), "error": "no", "message": "waits"}) == "no"
    assert said({**batch_row(), "message": "waits"}) == "waits"


def test_states_have_the_words_and_colours_of_tasks():
    assert [state_of(word) for word in ("pending", "running", "failed")] == ["waiting", "generating", "failed"]
    assert [word_of(word) for word in ("pending", "running")] == ["waiting", "running"]


@pytest.mark.parametrize(("value", "words"), [(None, ""), (4, "4"), (7.5, "7.5"), (5.0, "5")])
def test_limits_are_shown_as_they_are_typed(value, words):
    assert shown(value) == words
