"""Text of others has no power over the terminal."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.cli.text import Cleaner, ago, counted, line, number, plain, seconds, size

EVIL = "a\x1b[31mred\x1b[0m\x1b]0;title\x07b\x1bPq#0\x1b\\c\x9b2Jd\x9d52;c;eA==\x9ce\r\nf\rg\x08\x00\x7f\tz"


def test_sequences_are_taken_out_whole_and_lines_stay():
    assert plain(EVIL) == "aredbcde\nfg\tz"


@given(st.text(alphabet=st.sampled_from("ab[]0;m\x1b\x07\x9b\x9d\\P\r\n\tJ")))
def test_nothing_that_a_terminal_obeys_is_left(text):
    assert not set(plain(text)) & {chr(code) for code in (*range(9), *range(11, 32), *range(127, 160))}


@given(st.integers(0, len(EVIL)), st.integers(0, len(EVIL)))
def test_it_is_the_same_in_pieces(first, second):
    first, second = sorted((first, second))
    cleaner = Cleaner()
    pieces = [cleaner.feed(EVIL[:first]), cleaner.feed(EVIL[first:second]), cleaner.feed(EVIL[second:]), cleaner.rest()]
    assert "".join(pieces) == plain(EVIL)


def test_a_sequence_that_never_ends_holds_text_back_only_so_long():
    cleaner = Cleaner()
    assert cleaner.feed("before\x1b]0;") == "before"
    assert cleaner.feed("x" * 5000).endswith("x" * 5000)
    assert cleaner.feed("after").endswith("after")


def test_a_line_is_one_line_and_cut():
    assert line("a\n  b\tc") == "a b c"
    assert line("abcdef", 4) == "abc…"
    assert line("abcd", 4) == "abcd"


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, ""), (0.04, "0.0 s"), (9.94, "9.9 s"), (59.4, "59 s"), (185, "3 min 5 s"), (7800, "2 h 10 min")],
)
def test_durations(value, words):
    assert seconds(value) == words


def test_sizes_numbers_and_nouns():
    assert [size(value) for value in (None, 512, 2_000_000_000, 5 * 10**12)] == ["", "512 B", "2.0 GB", "5.0 TB"]
    assert [number(value) for value in (None, 12345, 31.04)] == ["", "12,345", "31.0"]
    assert [counted(1, "task"), counted(2000, "task")] == ["1 task", "2,000 tasks"]


def test_moments_are_told_from_now():
    now = datetime(2026, 11, 21, 10, 0, 30, tzinfo=UTC)
    assert ago("2026-11-21T10:00:00.000Z", now) == "30 s ago"
    assert ago("2026-11-21T08:00:00.000Z", now) == "2 h ago"
    assert ago("2026-11-21T10:01:00.000Z", now) == "0 s ago"
    assert ago(None) == ""
