"""The geometry of charts."""

import pytest

from dashboard.charts import BOTTOM, HEIGHT, LEFT, TOP, WIDTH, chart_of, nice

POINTS = [
    {"concurrency": 1, "total_rate": 30.0, "first_token_p95_seconds": 0.4},
    {"concurrency": 2, "total_rate": 50.0, "first_token_p95_seconds": None},
    {"concurrency": 8, "total_rate": 55.0, "first_token_p95_seconds": 2.0},
]


def curve(points=POINTS, knee=2):
    names = {"model": "llama", "node": "gpu-a", "prompt": "128 tokens"}
    return {**names, "points": points, "knee": knee, "slots": 8, "hint": ""}


@pytest.mark.parametrize(
    ("value", "above"),
    [(0.0, 1.0), (0.04, 0.04), (0.35, 0.4), (1, 1), (7, 8), (55, 60), (100, 100), (101, 150), (901, 1000)],
)
def test_axes_end_at_a_round_number(value, above):
    assert nice(value) == pytest.approx(above)
    assert nice(value) >= value


def test_levels_lie_at_equal_distances_for_equal_factors():
    one, two, eight = (mark.x for mark in chart_of(curve()).levels)
    assert eight - two == pytest.approx(2 * (two - one), abs=0.3)


def test_everything_lies_inside_the_drawing():
    chart = chart_of(curve())
    for mark in (*chart.rates, *chart.waits, *chart.rate_ticks, *chart.wait_ticks):
        assert 0 <= mark.x <= WIDTH
        assert TOP <= mark.y <= HEIGHT - BOTTOM
    assert len(chart.waits) == 2


def test_the_knee_stands_at_its_level_and_is_said():
    chart = chart_of(curve())
    assert (chart.knee.x, chart.knee.text) == (chart.levels[1].x, "knee at 2")
    assert chart.label.endswith("30.0 at 1, 50.0 at 2, 55.0 at 8; the knee is at 2")
    assert chart_of(curve(knee=None)).knee is None


def test_a_single_point_stands_in_the_middle_and_none_is_no_error():
    chart = chart_of(curve(POINTS[:1], knee=None))
    assert LEFT < chart.rates[0].x < WIDTH
    assert chart_of(curve([], knee=None)).rate_line == ""
