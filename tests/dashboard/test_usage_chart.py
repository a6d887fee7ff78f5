"""The chart of daily usage."""

from typing import Any

from dashboard.usage_chart import HEIGHT, LEFT, RIGHT, TOP, WIDTH, chart_of
from orchestration.models.usage import SUMS
from orchestration.payloads.statistics import DayUsage, usage


def day(number: int, seconds: float) -> DayUsage:
    sums: dict[str, Any] = {**dict.fromkeys(SUMS, 0), "decode_seconds": seconds}
    return DayUsage(day=f"2026-03-{number:02d}", **usage(sums))


def test_a_bar_for_each_day_with_work_inside_the_drawing() -> None:
    chart = chart_of([day(number, 0 if number == 2 else 3600.0 * number) for number in range(1, 31)])
    assert len(chart.bars) == 29
    assert all(bar.x >= LEFT and bar.x + bar.width <= WIDTH - RIGHT for bar in chart.bars)
    assert all(bar.y >= TOP and bar.y + bar.height <= HEIGHT for bar in chart.bars)
    assert [bar.height for bar in chart.bars] == sorted(bar.height for bar in chart.bars)
    assert chart.bars[0].text == "1 Mar: 1 h 00 min of GPU, 0 completed"


def test_the_axis_is_told_in_the_unit_that_fits() -> None:
    assert [tick.text for tick in chart_of([day(1, 0)]).ticks] == ["0", "0.5 s", "1 s"]
    assert [tick.text for tick in chart_of([day(1, 2400)]).ticks] == ["0", "20 min", "40 min"]
    assert chart_of([day(1, 7000)]).ticks[-1].text == "2 h"


def test_no_more_days_are_named_than_there_is_room_for() -> None:
    assert len(chart_of([day(1 + number % 28, 1) for number in range(365)]).days) <= 8
    assert [mark.text for mark in chart_of([day(4, 1)]).days] == ["4 Mar"]
    assert chart_of([]).days == ()
