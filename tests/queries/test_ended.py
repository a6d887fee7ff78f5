"""Attempts by when and where they ended, counted by the database."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestration.models import Attempt, Node
from orchestration.queries.ended import EndedGroup, EndedSum, ended_groups, ended_sum, first_ended_at
from tests.queries.conftest import Make

START = 1_800_000_000
Ended = Callable[..., Attempt]


def _at(second: float) -> datetime:
    return datetime.fromtimestamp(START, UTC) + timedelta(seconds=second)


@pytest.fixture
def ended(make_task: Make, node: Node) -> Ended:
    def make(second: float, **fields: Any) -> Attempt:
        kept: dict[str, Any] = {
            "node": node,
            "node_name": "gpu-a",
            "model_name": "llama3.2:latest",
            "num_ctx": 4096,
            "status": "completed",
            "prompt_tokens": 10,
            "output_tokens": 100,
        }
        times = {"granted_at": _at(0), "lease_until": _at(0), "started_at": _at(second - 2), "ended_at": _at(second)}
        task = make_task("completed")
        return Attempt.objects.create(task=task, number=1, slot=0, token=f"t{task.pk}", **{**kept, **times, **fields})

    return make


def test_attempts_of_one_second_place_and_outcome_are_one_group(ended: Ended, node: Node) -> None:
    for second in (3.0, 3.2, 3.999):
        ended(second)
    ended(4.0, status="failed", prompt_tokens=None, output_tokens=None)
    assert sorted(ended_groups(START, START + 10, 1)) == [
        EndedGroup(START + 3, node.pk, "gpu-a", "llama3.2:latest", "completed", None, 3, 30, 300),
        EndedGroup(START + 4, node.pk, "gpu-a", "llama3.2:latest", "failed", None, 1, 0, 0),
    ]


def test_the_range_begins_with_its_start_and_stops_before_its_end(ended: Ended) -> None:
    for second in (-0.001, 0, 9.999, 10):
        ended(second)
    assert ended_sum(START, START + 10) == EndedSum(2, 200)
    assert sum(group.attempts for group in ended_groups(START, START + 10, 1)) == 2


def test_coarser_units_start_at_whole_multiples(ended: Ended) -> None:
    ended(59)
    ended(61)
    assert {group.at for group in ended_groups(START, START + 120, 60)} == {START, START + 60}


@pytest.mark.parametrize(("seconds", "told"), [(0.042, 42), (0.567, 560), (1.234, 1200), (65.4, 65_000)])
def test_a_wait_is_told_to_two_digits(ended: Ended, seconds: float, told: int) -> None:
    ended(100, started_at=_at(0), first_token_at=_at(0) + timedelta(seconds=seconds, microseconds=100))
    assert [group.wait for group in ended_groups(START, START + 101, 1)] == [told]


def test_a_node_that_is_gone_keeps_its_name(ended: Ended, node: Node) -> None:
    ended(1)
    node.delete()
    (group,) = ended_groups(START, START + 10, 1)
    assert (group.node_id, group.node_name) == (None, "gpu-a")


def test_what_asks_no_model_anything_is_not_counted(ended: Ended) -> None:
    ended(1, num_ctx=0)
    assert list(ended_groups(START, START + 10, 1)) == []
    assert ended_sum(START, START + 10) == EndedSum(0, 0)


def test_the_first_that_ended_after_a_moment(ended: Ended) -> None:
    assert first_ended_at(_at(0)) is None
    ended(5)
    ended(3)
    assert first_ended_at(_at(0)) == _at(3)
