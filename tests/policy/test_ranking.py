"""Which passages are near to a question."""

import pytest

from orchestration.policy.ranking import cosines, shared_words, words


def test_the_angle_counts_and_not_the_length():
    assert cosines([1, 0], [[2, 0], [0, 3], [-1, 0], [1, 1]]) == pytest.approx([1, 0, -1, 0.7071], abs=1e-3)


def test_a_vector_without_direction_or_of_another_length_is_near_to_nothing():
    assert cosines([1, 0], [[0, 0], [1, 0, 0]]) == [0, 0]
    assert cosines([0, 0], [[1, 0]]) == [0]


def test_case_punctuation_and_plurals_make_no_difference():
    assert words("Whales, WHALE; gas glass!") == ["whale", "whale", "gas", "glass"]


def test_texts_without_blanks_between_words_are_compared_by_character():
    assert words("鲸鱼 sing") == ["鲸", "鱼", "sing"]


def test_rare_words_count_more_than_common_ones():
    texts = ["the whale and the sea", "the sea and the ship", "the sea and the sky"]
    scores = shared_words("the whale", texts)
    assert scores[0] > scores[1] == scores[2]


def test_the_same_word_counts_less_in_a_longer_text():
    short, long = shared_words("whale", ["a whale", "a whale " + "and much else " * 20])
    assert short > long > 0


def test_nothing_shared_is_nothing():
    assert shared_words("whale", ["ship", ""]) == [0, 0]
    assert shared_words("whale", []) == []
