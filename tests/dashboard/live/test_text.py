"""Frames against what a reader has."""

from hypothesis import given
from hypothesis import strategies as st

from dashboard.live.text import Tail


def test_a_frame_that_overlaps_brings_only_what_is_new():
    tail = Tail(1, "Hello")
    assert tail.take({"o": 3, "t": "lo wörld", "n": 4}) == {"attempt": 1, "o": 5, "t": " wörld", "n": 4}
    assert tail.equals("Hello wörld", "")


def test_a_frame_that_was_had_already_brings_nothing():
    tail = Tail(1, "Hello")
    assert tail.take({"o": 0, "t": "Hel"}) == {"attempt": 1}


def test_a_frame_after_missing_text_is_left_until_the_whole_comes():
    tail = Tail(1, "Hel")
    assert tail.take({"o": 9, "t": "x"}) == {"attempt": 1}
    assert tail.take({"o": 0, "t": "Hello w", "ho": 0, "h": "hm"}) == {
        "attempt": 1,
        "o": 3,
        "t": "lo w",
        "ho": 0,
        "h": "hm",
    }
    assert tail.length == {"text": 7, "thinking": 2}


def test_texts_of_one_length_are_told_apart():
    assert not Tail(1, "abc").equals("abd", "")


@given(st.text(max_size=80), st.lists(st.tuples(st.integers(0, 80), st.integers(0, 80)), max_size=20))
def test_any_frames_in_any_order_give_a_beginning_of_the_text(text, slices):
    tail, got = Tail(1), ""
    for start, size in [*slices, (0, 80)]:
        got += tail.take({"o": start, "t": text[start : start + size]}).get("t", "")
        assert text.startswith(got)
    assert got == text
    assert tail.equals(text, "")
