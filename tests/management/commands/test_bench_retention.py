"""What the bench of clean-ups says of its figures, and that it fails where a dry run did not tell the truth."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import datetime
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from orchestration.management.commands import bench_retention
from orchestration.management.retention_bench import Done
from orchestration.payloads.retention import PlanPayload, plan
from orchestration.policy.retention import Removal, Removed

Told = Callable[..., list[str]]
NOW = datetime.fromisoformat("2026-11-20T12:00:00+00:00")


def removal(tasks: int, texts: int) -> PlanPayload:
    return plan([], NOW, Removal({"writer": Removed(tasks=tasks, texts=texts)}))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """``removed``: tasks that go beside those that the dry run told."""

    def run(*, slowest: float = 1.0, removed: int = 0, out: StringIO | None = None) -> list[str]:
        def clean(_: datetime, *, text_days: int = 0, task_days: int = 0) -> Done:
            planned, gone = removal(1200 * bool(task_days), 30), removal(1200 * bool(task_days) + removed, 30)
            return Done(planned=planned, removed=gone, plan_seconds=0.2, seconds=3.4, longest=0.051)

        replaced: dict[str, Any] = {"own_redis": nullcontext, "own_database": nullcontext, "clean": clean}
        replaced |= {"fill": lambda *_: None, "ask": lambda _: [0.1, slowest], "left": lambda: (4000, 2000)}
        for name, value in replaced.items():
            monkeypatch.setattr(bench_retention, name, value)
        out = out or StringIO()
        call_command("bench_retention", "--answers", "5200", stdout=out)
        return out.getvalue().splitlines()

    return run


def test_each_clean_up_is_told_with_what_went_and_how_long_it_took(told: Told) -> None:
    lines = told()
    assert "5,200 answers of 60 days" in lines[0]
    assert [line.split() for line in lines[2:5]] == [
        ["texts", "after", "30", "days", "30", "0", "0.2", "3.4", "0.05", "yes"],
        ["tasks", "after", "15", "days", "30", "1,200", "0.2", "3.4", "0.05", "yes"],
        ["both", "after", "1", "day", "30", "1,200", "0.2", "3.4", "0.05", "yes"],
    ]
    assert lines[5:] == [
        "left: 4,000 tasks, 2,000 with their texts",
        "statistics of a year at most 1000 ms; at most 1 s: met",
    ]


def test_statistics_that_take_long_are_not_met(told: Told) -> None:
    assert told(slowest=1.2)[-1] == "statistics of a year at most 1200 ms; at most 1 s: not met"


def test_a_clean_up_that_removed_something_else_fails_after_its_figures(told: Told) -> None:
    out = StringIO()
    with pytest.raises(CommandError, match="something else than its dry run"):
        told(removed=1, out=out)
    assert out.getvalue().splitlines()[2].split()[-1] == "NO"
    assert "statistics of a year" in out.getvalue()


def test_nothing_to_measure_is_an_error() -> None:
    with pytest.raises(CommandError, match="--answers"):
        call_command("bench_retention", "--answers", "0")
