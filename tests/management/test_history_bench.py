"""The bench of the load history fills what it says, and its charts agree with the attempts."""

from typing import Any

import pytest
from django.utils import timezone

from orchestration.management.history_bench import RANGES, Asked, Size, charts, fill, measure
from orchestration.models import Attempt, LoadChunk
from orchestration.policy.series import most_rows
from tests.loads import at

SMALL = Size(models=2, nodes=2, days=2, attempts=400)


@pytest.fixture
def filled(db: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """As of a fixed moment, so that no run of the test meets another hour than the next."""
    monkeypatch.setattr(timezone, "now", lambda: at(1234))
    return fill(SMALL, at(1234))


def test_a_fleet_that_is_always_in_use_stays_within_its_rows(filled: Any) -> None:
    assert Attempt.objects.count() == 400
    assert filled.rows == LoadChunk.objects.count() <= most_rows(2, 2)
    assert 0 < filled.median <= filled.worst


def test_every_chart_agrees_with_the_attempts(filled: Any) -> None:
    timings = list(measure(charts(SMALL), 1))
    assert len(timings) == 8 * len(RANGES)
    assert [timing.asked.words for timing in timings if not timing.agrees] == []


def test_an_attempt_that_is_not_in_the_history_is_noticed(filled: Any) -> None:
    first = Attempt.objects.order_by("ended_at").last()
    assert first is not None
    first.delete()
    (timing,) = measure([Asked("24h")], 1)
    assert not timing.agrees


def test_charts_are_named_in_words() -> None:
    assert Asked("7d", "qwen3:8b", "gpu-a").words == "7d of qwen3:8b on gpu-a"
    assert Asked("1h", split="node").words == "1h of all, by node"
