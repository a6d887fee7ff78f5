"""The laboratory's tables, in words and in JSON."""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from orchestration.management.lab.metrics import Metrics
from orchestration.management.lab.targets import Results, Verdict
from orchestration.management.lab.workloads import TITLES

WAITS = ("high_mean", "high_p99", "normal_mean", "normal_p99", "low_mean", "low_p99", "others_mean")
SUMMARIES = (
    ("response", "mean response / lower bound"),
    ("end", "end of all work / lower bound"),
    ("loads", "model loads"),
)
NAME_WIDTH = 18


def workload_table(name: str, rows: Mapping[str, Metrics]) -> Iterator[str]:
    yield f"{name}: {TITLES[name]}"
    groups = "".join(f"{f'{cls} waits (s)':>18}" for cls in ("high", "normal", "low"))
    yield f"{'':<{NAME_WIDTH}}  end /  resp. /{groups}   others   model   fair-  tasks   work-   re-"
    waits = "     mean      p99" * 3
    yield f"{'':<{NAME_WIDTH}}  bound    bound{waits}     mean   loads    ness    / s  flow s  done"
    for scheduler, row in rows.items():
        yield _line(scheduler, row)


def _line(scheduler: str, row: Metrics) -> str:
    waits = "".join(_number(getattr(row, wait), 9, 1) for wait in WAITS)
    unfinished = "" if row.done > 0.999 else f"  {1 - row.done:.0%} did not end"
    return (
        f"{scheduler:<{NAME_WIDTH}}{row.end:7.3f}{row.response:9.2f}{waits}{row.loads:8.0f}{row.fairness:8.3f}"
        f"{row.tasks_per_second:7.2f}{_number(row.workflow, 8, 1)}{row.redone:6.0f}{unfinished}"
    )


def _number(value: float, width: int, places: int) -> str:
    return f"{'-':>{width}}" if math.isnan(value) else f"{value:{width}.{places}f}"


def summary_tables(results: Results) -> Iterator[str]:
    schedulers = list(next(iter(results.values())))
    for metric, title in SUMMARIES:
        heads = "".join(f"{name:>8}" for name in results)
        yield title
        yield f"{'':<{NAME_WIDTH}}{heads}  geom. mean"
        for scheduler in schedulers:
            values = [getattr(rows[scheduler], metric) for rows in results.values()]
            cells = "".join(f"{value:8.2f}" for value in values)
            yield f"{scheduler:<{NAME_WIDTH}}{cells}{statistics.geometric_mean(values):12.2f}"
        yield ""


def target_table(verdicts: Sequence[Verdict]) -> Iterator[str]:
    yield f"{'target':<52}{'wanted':>10}{'figure':>10}{'best peer':>11}"
    for verdict in verdicts:
        target = verdict.target
        wanted = f"{'≥' if target.at_least else '≤'} {target.limit:g}"
        words = "met" if verdict.met else "not met"
        yield (
            f"{target.what:<52}{wanted:>10}{_number(verdict.figure, 10, 3)}{_number(verdict.best_peer, 11, 3)}  {words}"
        )


def as_json(results: Results, verdicts: Sequence[Verdict], **about: Any) -> dict[str, Any]:
    return {
        **about,
        "workloads": {
            name: {scheduler: _finite(asdict(row)) for scheduler, row in rows.items()} for name, rows in results.items()
        },
        "targets": [
            {
                "what": verdict.target.what,
                "limit": verdict.target.limit,
                "at_least": verdict.target.at_least,
                "met": verdict.met,
                **_finite({"figure": verdict.figure, "best_peer": verdict.best_peer}),
            }
            for verdict in verdicts
        ],
    }


def _finite(numbers: Mapping[str, float]) -> dict[str, float | None]:
    return {name: None if math.isnan(value) else value for name, value in numbers.items()}
