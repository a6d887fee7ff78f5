"""What the bench of the load history says of its figures."""

from contextlib import nullcontext
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from orchestration.management.commands import bench_history
from orchestration.management.history_bench import Asked, Timing, Written


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(milliseconds: float, rows: int = 900, agrees: bool = True) -> list[str]:
        timings = [Timing(Asked("1h"), milliseconds, 9, agrees), Timing(Asked("1y", "qwen3:8b"), 12, 8, True)]
        monkeypatch.setattr(bench_history, "own_database", nullcontext)
        monkeypatch.setattr(bench_history, "fill", lambda *_: Written(21, 60, rows))
        monkeypatch.setattr(bench_history, "measure", lambda *_: iter(timings))
        out = StringIO()
        call_command("bench_history", "--models", "2", "--nodes", "2", stdout=out)
        return out.getvalue().splitlines()

    return run


def test_what_holds_is_said_to_be_met(told: Any) -> None:
    lines = told(150.0)
    assert lines[1] == "rows: 900, at most 1,323 however long it goes on: met"
    assert lines[2] == "one write of ten seconds: median 21 ms, worst 60 ms"
    assert lines[4].strip() == "150 ms, 9 ms of them at work: 1h of all"
    assert lines[-2:] == ["every chart within 200 ms: met", "sums that agree with the attempts: all"]


def test_what_does_not_hold_is_named(told: Any) -> None:
    lines = told(250.0, rows=2000, agrees=False)
    assert lines[1].endswith("not met")
    assert lines[-2].endswith("not met")
    assert lines[-1].endswith("not ['1h of all']")


def test_too_little_to_measure_is_an_error() -> None:
    with pytest.raises(CommandError, match="--models"):
        call_command("bench_history", "--models", "1")
