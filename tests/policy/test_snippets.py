"""Passages that show why something was found, and nothing lost or added on the way."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestration.policy.snippets import WIDTH, hits, marked, snippet
from orchestration.policy.terms import parse

LONG = "Nothing here. " * 60


def hit_texts(parts):
    return [text for text, hit in parts if hit]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("red", ["Red", "red"]),
        ('"red fish"', ["red fish"]),
        ("fis*", ["fish"]),
        ('"a red fis"*', ["a red fish"]),
        ("apfel", ["Apfel", "Äpfel"]),
        ("green", []),
    ],
)
def test_what_was_looked_for_is_set_apart(typed, expected):
    assert hit_texts(marked("Red is a red fish. Ein Apfel, Äpfel finish.", parse(typed).wanted)) == expected


def test_accents_do_not_matter():
    assert hit_texts(marked("Ein Müller.", parse("muller").wanted)) == ["Müller"]


def test_the_passage_is_where_most_terms_are_together():
    text = f"{LONG}red alone {LONG}the red fish swims {LONG}"
    parts = snippet(text, parse("fish red").wanted)
    assert hit_texts(parts) == ["red", "fish"]
    assert parts[0] == ("… ", False)
    assert parts[-1] == (" …", False)
    assert len("".join(text for text, _ in parts)) < WIDTH + 10


def test_without_a_hit_it_is_the_beginning():
    assert snippet("A short text.", parse("zebra").wanted) == [("A short text.", False)]
    assert snippet("", ()) == []


@given(st.text(max_size=300), st.text(max_size=20))
def test_marking_keeps_every_letter(text, typed):
    assert "".join(part for part, _ in marked(text, parse(typed).wanted)) == text


@given(st.text(min_size=300, max_size=900), st.text(max_size=20))
def test_a_passage_is_a_piece_of_its_text(text, typed):
    parts = snippet(text, parse(typed).wanted)
    joined = "".join(part for part, _ in parts).removeprefix("… ").removesuffix(" …")
    assert joined in text


@example("a a a", '"a a"')
@given(st.text(alphabet="aB c_.-1", max_size=40), st.text(alphabet='ab c_1*-"', max_size=12))
def test_plain_texts_are_read_quickly_and_with_the_same_outcome(text, typed):
    terms = parse(typed).wanted
    assert hits(text, terms) == [hit for hit in hits(f"{text} é", terms) if hit[1] <= len(text)]
