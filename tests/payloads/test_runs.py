"""The word of a run."""

import pytest

from orchestration import payloads


@pytest.mark.parametrize(
    ("counts", "word"),
    [
        ({"pending": 2}, "pending"),
        ({"pending": 1, "completed": 1}, "running"),
        ({"running": 1, "failed": 1}, "running"),
        ({"completed": 2}, "completed"),
        ({"completed": 1, "failed": 1, "cancelled": 1}, "failed"),
        ({"completed": 1, "cancelled": 1}, "cancelled"),
    ],
)
def test_a_run_is_what_its_tasks_are(counts, word):
    assert payloads.run_status(counts) == word


def test_the_shape_is_complete(submit):
    shape = payloads.run(submit("one"), counts={"pending": 1})
    assert set(shape) == set(payloads.RunPayload.__annotations__) - {"tasks", "results"}
    assert (shape["owner"], shape["agent"], shape["status"]) == ("bob", "writer", "pending")
