"""What two texts have in common."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.policy.worddiff import MOST_WORDS, Piece, alike, diff

TEXT = st.text(alphabet="ab .,\n", max_size=60) | st.text(max_size=40)


def test_a_changed_word_is_one_removed_and_one_added():
    assert diff("a red door", "a blue door") == [
        Piece("same", "a "),
        Piece("removed", "red "),
        Piece("added", "blue "),
        Piece("same", "door"),
    ]


def test_punctuation_is_told_from_the_word_before_it():
    assert [piece.kind for piece in diff("Stop here.", "Stop here!")] == ["same", "removed", "added"]


def test_equal_texts_are_one_piece_and_empty_ones_none():
    assert diff("same", "same") == [Piece("same", "same")]
    assert diff("", "") == []


@given(before=TEXT, after=TEXT)
def test_both_texts_can_be_read_from_the_pieces(before, after):
    pieces = diff(before, after)
    assert "".join(piece.text for piece in pieces if piece.kind != "added") == before
    assert "".join(piece.text for piece in pieces if piece.kind != "removed") == after


def test_long_texts_are_compared_by_lines():
    before = "one two three\n" * MOST_WORDS
    pieces = diff(before, before + "four five\n")
    assert pieces[-1] == Piece("added", "four five\n")


@pytest.mark.parametrize(
    ("texts", "same"), [(["a  b", " a b\n"], True), (["a", "A"], False), (["a", "a", "b"], False), ([], True)]
)
def test_white_space_makes_no_difference(texts, same):
    assert alike(texts) is same
