"""Words without case and accents, and that anything typed into a search box means something."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.policy.terms import LONGEST_WORD, MOST_TERMS, Term, Terms, parse, places, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, World!", ["hello", "world"]),
        ("Müller isst Äpfel", ["muller", "isst", "apfel"]),
        ("STRASSE Straße", ["strasse", "strasse"]),
        ("snake_case foo-bar a.b/c", ["snake", "case", "foo", "bar", "a", "b", "c"]),
        ("日本語 text", ["日", "本", "語", "text"]),
        ("llama3.2:3b", ["llama3", "2", "3b"]),
        ("\0 ' \" ( ) * : ^", []),
    ],
)
def test_words_have_no_case_and_no_accents(text, expected):
    assert words(text) == expected


def test_encoded_data_is_no_word():
    assert words(f"before {'A' * (LONGEST_WORD + 1)} after") == ["before", "after"]


def test_places_are_where_the_words_stand():
    text = "Der Äpfelbaum"
    assert [text[place.start : place.end] for place in places(text)] == ["Der", "Äpfelbaum"]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("", Terms()),
        ("red fish", Terms((Term(("red",)), Term(("fish",))))),
        ('"red fish"', Terms((Term(("red", "fish")),))),
        ('"red fish', Terms((Term(("red", "fish")),))),
        ("fish -red", Terms((Term(("fish",)),), (Term(("red",)),))),
        ('-"red fish"', Terms((), (Term(("red", "fish")),))),
        ("foo-bar", Terms((Term(("foo", "bar")),))),
        ("inv*", Terms((Term(("inv",), True),))),
        ('"red fis"*', Terms((Term(("red", "fis"), True),))),
        ("ab*", Terms((Term(("ab",)),))),
        ("- * ' AND (", Terms((Term(("and",)),))),
        ("fish Fish", Terms((Term(("fish",)),))),
    ],
)
def test_what_is_typed_is_understood(typed, expected):
    assert parse(typed) == expected


def test_a_pasted_page_is_cut():
    assert len(parse(" ".join(f"w{number}" for number in range(1000))).wanted) == MOST_TERMS


@given(st.text())
def test_nothing_that_is_typed_is_wrong(typed):
    found = parse(typed)
    assert all(term.words for term in found.wanted + found.unwanted)


@given(st.text())
def test_words_and_their_places_agree(text):
    assert words(text) == [place.word for place in places(text)]
