"""One index in two databases: what goes in is found by its words and its marks, and what goes out is not."""

from collections.abc import Iterable, Sequence

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestration.models import output_index
from orchestration.models.output_index import Entry, Question
from orchestration.policy.terms import parse, words

pytestmark = pytest.mark.django_db


def keep(task_id: int, prompt: str, answer: str = "", marks: Iterable[str] = ()) -> None:
    output_index.put([Entry(task_id, words(prompt), words(answer), ("all", *marks))])


def found(typed: str, *marks: Sequence[str]) -> list[int]:
    asked = Question(parse(typed), (("all",), *map(tuple, marks)))
    sql = f"SELECT {output_index.key()} FROM {output_index.TABLE} WHERE {output_index.condition()} ORDER BY 1"
    with connection.cursor() as cursor:
        cursor.execute(sql, [asked.expression])
        return [row[0] for row in cursor.fetchall()]


@pytest.fixture
def three() -> None:
    keep(1, "Name a red fish.", "The red snapper.", ["mllama", "r5"])
    keep(2, "Name a blue fish.", "A blue tang, said Müller.", ["mllama"])
    keep(3, "Translate: 日本語", "Japanese", ["mqwen"])


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("", [1, 2, 3]),
        ("fish", [1, 2]),
        ("FISH red", [1]),
        ('"red fish"', [1]),
        ('"fish red"', []),
        ("fish -red", [2]),
        ("-fish", [3]),
        ("snap*", [1]),
        ('"blue tan"*', [2]),
        ("muller", [2]),
        ("本語", [3]),
        ('"fish the"', []),
        ("nothing", []),
    ],
)
def test_words_phrases_and_prefixes_find_what_has_them(three, typed, expected):
    assert found(typed) == expected


def test_marks_narrow_it_and_are_no_words(three):
    assert found("fish", ["mllama"]) == [1, 2]
    assert found("fish", ["mllama"], ["r5", "r4"]) == [1]
    assert found("", ["mqwen", "r5"]) == [1, 3]
    assert found("mqwen") == found("r5") == found("all") == []


def test_a_new_mark_takes_the_place_of_the_old_ones(three):
    output_index.remark(1, ["all", "r1"])
    assert found("red", ["r1"]) == [1]
    assert found("red", ["r5"]) == []


def test_what_is_put_again_is_there_once_and_as_it_is_now(three):
    keep(1, "Name a green bird.")
    assert found("red") == []
    assert found("green") == [1]


def test_forgotten_words_are_gone_and_the_marks_stay(three):
    output_index.forget_words([1])
    assert found("red") == []
    assert found("", ["r5"]) == [1]


def test_dropped_entries_are_gone(three):
    output_index.drop([1, 3])
    assert found("") == [2]


def test_entries_without_an_answer_are_swept_away(three):
    assert output_index.drop_orphans() == 3
    assert found("") == []


def test_very_long_answers_and_very_frequent_words_fit():
    keep(1, "word " * 40_000, " ".join(f"w{number}" for number in range(150_000)))
    assert found("word w7") == [1]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.text(max_size=40), st.text(max_size=20))
def test_no_text_and_no_question_is_too_odd(text, typed):
    keep(1, text, text)
    found(typed)
    first = words(text)[:1]
    assert not first or found(f'"{first[0]}"') == [1]
