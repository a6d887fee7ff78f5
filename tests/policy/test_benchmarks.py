"""The figures of a benchmark."""

import pytest

from orchestration.policy.benchmarks import (
    Curve,
    Key,
    Point,
    Sample,
    cells,
    curves,
    drifts,
    hint,
    knee,
)

KEY = Key("llama", "gpu-a", "128 tokens", 1)


def sample(*, concurrency=1, repeat=0, started=0.0, decode=2.0, **fields):
    whole = {"ok": True, "prompt_tokens": 100, "output_tokens": 50, "prefill_seconds": 0.5, "load_seconds": 0.1}
    whole |= {"first_token_seconds": 0.7, "ended": started + decode + 0.5, **fields}
    return Sample(
        key=KEY._replace(concurrency=concurrency), repeat=repeat, started=started, decode_seconds=decode, **whole
    )


def test_speeds_come_from_counts_and_durations_and_the_load_stands_apart():
    (cell,) = cells([sample(load_seconds=5.0, first_token_seconds=5.6)])
    assert (cell.prefill.median, cell.decode.median) == (200.0, 25.0)
    assert cell.first_token.median == pytest.approx(0.6)
    assert cell.reloads == 1


def test_pauses_between_two_requests_are_not_the_nodes():
    (cell,) = cells([sample(started=0), sample(started=100)])
    assert cell.total.median == pytest.approx(100 / 5)
    assert cell.at_once == 1.0


def test_streams_beside_each_other_add_up():
    (cell,) = cells([sample(concurrency=2, started=0), sample(concurrency=2, started=0.5)])
    assert cell.total.median == pytest.approx(100 / 3)
    assert cell.at_once == pytest.approx(5 / 3)


def test_what_failed_counts_as_an_error_and_in_no_figure():
    (cell,) = cells([sample(), sample(ok=False, decode=1000.0)])
    assert (cell.requests, cell.errors, cell.decode.median) == (2, 1, 25.0)
    (broken,) = cells([sample(ok=False)])
    assert (broken.errors, broken.decode, broken.total, broken.at_once) == (1, None, None, None)


def test_what_the_server_did_not_measure_is_unknown():
    (cell,) = cells([sample(output_tokens=0, prefill_seconds=0.0, first_token_seconds=None)])
    assert (cell.first_token, cell.prefill, cell.decode) == (None, None, None)


def test_repeats_are_kept_apart_for_the_spread():
    (cell,) = cells([sample(repeat=0), sample(repeat=1, decode=1.0, started=10)])
    assert cell.decode.repeats == (25.0, 50.0)


@pytest.mark.parametrize(
    ("levels", "found"),
    [
        ([(1, 10), (2, 19), (4, 36)], None),
        ([(1, 10), (2, 19), (4, 21), (8, 22)], 2),
        ([(1, 10), (2, 9)], 1),
        ([(1, 10), (8, 60)], None),
        ([(1, 450), (2, 320), (4, 560), (8, 460)], 4),
        ([(4, 10)], None),
        ([], None),
    ],
)
def test_the_knee_is_the_last_level_that_was_worth_it(levels, found):
    assert knee(levels) == found


def test_a_curve_has_its_levels_in_order():
    many = [sample(concurrency=c, started=100 * c + i * 0.01) for c in (4, 1) for i in range(c)]
    (curve,) = curves(cells(many))
    assert [point.concurrency for point in curve.points] == [1, 4]
    assert (curve.model, curve.node, curve.prompt) == KEY[:3]


def test_the_hint_says_how_many_slots():
    points = (Point(1, 10, 1), Point(4, 30, 1), Point(8, 31, 2))
    curve = Curve(model="llama", node="gpu-a", prompt="p", points=points, knee=4)
    assert "set the slots of gpu-a to 4" in hint(curve, 8)
    assert hint(curve, 4) == ""
    rising = Curve(model="llama", node="gpu-a", prompt="p", points=points[:2], knee=None)
    assert "Not saturated at 4" in hint(rising, 4)
    assert hint(rising, 8) == ""


def test_a_regression_is_worse_and_sure():
    def measured(decode):
        return cells([sample(repeat=r, decode=decode + 0.001 * r, started=10.0 * r) for r in range(3)])

    before = {KEY: {"decode": measured(2.0)[0].decode.repeats, "first_token": [0.6, 0.6, 0.6]}}
    found = {drift.figure: drift for drift in drifts(measured(4.0), before)}
    assert set(found) == {"decode", "first_token"}
    assert found["decode"].change.percent == pytest.approx(-50, abs=0.1)
    assert (found["decode"].regressed, found["first_token"].regressed) == (True, False)
    (better,) = [drift for drift in drifts(measured(1.0), before) if drift.figure == "decode"]
    assert (better.worse, better.regressed, better.change.sure) == (False, False, True)


def test_cells_that_the_other_run_does_not_have_are_left_out():
    assert drifts(cells([sample()]), {KEY._replace(concurrency=9): {"decode": [1.0]}}) == []
