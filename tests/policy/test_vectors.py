"""Which vectors can be kept."""

import pytest

from orchestration.policy.vectors import problem_of


@pytest.mark.parametrize("rows", [[], [[0.5, 1]], [[1e30, -2.0], [0.0, 3.0]]])
def test_finite_numbers_of_one_length_are_taken(rows):
    assert problem_of(rows) == ""


@pytest.mark.parametrize(
    ("rows", "count", "words"),
    [
        ("text", None, "no lists"),
        ([[1.0], 2.0], None, "no lists"),
        ([[1.0]], 2, "there are 1 for 2 texts"),
        ([[]], None, "empty"),
        ([[float("nan")]], None, "no finite number"),
        ([[float("inf")]], None, "no finite number"),
        ([["1"]], None, "no finite number"),
        ([[None]], None, "no finite number"),
        ([[10**400]], None, "no finite number"),
        ([[1.0], [1.0, 2.0]], None, "same length"),
    ],
)
def test_what_cannot_be_kept_is_told_why(rows, count, words):
    assert words in problem_of(rows, count)
