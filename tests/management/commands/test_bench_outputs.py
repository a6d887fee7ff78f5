"""What the bench of searches says of its figures, and that it leaves no trace."""

from contextlib import nullcontext
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from orchestration.management.commands import bench_outputs
from orchestration.management.output_bench import Cost, Filled


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What is printed when nineteen searches took a millisecond, and the last one so many."""

    def run(slowest: float) -> list[str]:
        costs = [Cost(kind="one rare word", spent=[1.0] * 19), Cost(kind="a prefix", spent=[slowest])]
        monkeypatch.setattr(bench_outputs, "own_database", nullcontext)
        filled = Filled(answers=60, gather_seconds=0.5, size_bytes=2_500_000_000)
        monkeypatch.setattr(bench_outputs, "fill", lambda *_: filled)
        monkeypatch.setattr(bench_outputs, "measure", lambda _: costs)
        monkeypatch.setattr(bench_outputs, "baseline", lambda _: Cost(kind="reading every text", spent=[4000.0]))
        out = StringIO()
        call_command("bench_outputs", "--answers", "60", stdout=out)
        return out.getvalue().splitlines()

    return run


def test_each_kind_is_told_and_then_all_of_them_together(told: Any) -> None:
    lines = told(150.0)
    assert "60 answers" in lines[0]
    assert lines[1] == "gathered 120 answers/s; the database has 2.50 GB"
    assert [line.split() for line in lines[3:7]] == [
        ["one", "rare", "word", "1.0", "1.0", "1.0"],
        ["a", "prefix", "150.0", "150.0", "150.0"],
        ["all", "together", "1.0", "150.0", "150.0"],
        ["reading", "every", "text", "4000.0", "4000.0", "4000.0"],
    ]
    assert lines[7:] == ["reading every text / searching, p50: 4,000", "p95 of all at most 150 ms: met"]


def test_what_is_too_slow_is_not_met(told: Any) -> None:
    assert told(150.1)[-1] == "p95 of all at most 150 ms: not met"


@pytest.mark.parametrize("option", ["--answers", "--words", "--searches"])
def test_nothing_to_measure_is_an_error(option: str) -> None:
    with pytest.raises(CommandError, match=option):
        call_command("bench_outputs", option, "0")
