"""The history of a range: it adds up to the table of attempts, says what it does not know, and costs the same."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from orchestration.errors import InvalidInput
from orchestration.models import Attempt, LoadMark, Node
from orchestration.payloads.history import LoadHistory
from orchestration.policy.series import HOURS
from orchestration.queries import history as history_queries
from orchestration.queries.history import RANGES, HistoryFilter, history_range, history_totals, load_history
from orchestration.services import history
from tests.loads import MODEL, OTHER, at, ended_attempt, sampled, starts_at


@pytest.fixture
def gpu_b(make_node: Callable[..., Node]) -> Node:
    return make_node("gpu-b", models=(MODEL, OTHER))


@pytest.fixture
def past(node: Node, gpu_b: Node) -> None:
    """Two hours and a half in which something ran, and what is not closed yet."""
    starts_at(0)
    for second in range(0, 9000, 300):
        ended_attempt(second + 50, node=node)
        ended_attempt(second + 60, node=gpu_b, model=OTHER, status="failed", output_tokens=None)
        samples = sampled(second, second + 3, {node: {MODEL: 2}, gpu_b: {OTHER: 1}}, waiting=1)
        history.record(samples=samples, now=at(second + 300))


def _history(start: float, end: float, *, now: float = 9000, **fields: Any) -> LoadHistory:
    return load_history(HistoryFilter(start=at(start), end=at(end), **fields), at(now))


def _ended(start: float, end: float, **fields: Any) -> int:
    return Attempt.objects.filter(ended_at__gte=at(start), ended_at__lt=at(end), **fields).count()


@pytest.mark.parametrize(
    ("start", "end", "points", "step"),
    [
        (8400, 9000, 750, 1),
        (5400, 9000, 750, 5),
        (8000, 8600, 750, 1),
        (0, 9000, 750, 60),
        (3000, 6000, 750, 60),
        (0, 9000, 10, 900),
        (-77_000, 9000, 750, 120),
        (-90_000, 9000, 750, 3600),
        (-30_000_000, 9000, 750, 43_200),
    ],
)
def test_sums_of_any_range_are_those_of_the_attempts(
    past: None, node: Node, start: int, end: int, points: int, step: int
) -> None:
    found = _history(start, end, points=points)
    assert found["step_seconds"] == step
    (fleet,) = found["series"]
    first = start // step * step if step < 43_200 else start - 43_200
    last = -(-end // step) * step
    assert fleet["whole"]["ended"] == sum(fleet["values"]["ended"]) == _ended(first, last)  # type: ignore[arg-type]
    assert fleet["whole"]["errors"] == _ended(first, last, status="failed")
    assert fleet["whole"]["output_tokens"] == 100 * _ended(first, last, status="completed")
    (here,) = _history(start, end, points=points, node="gpu-a", model=MODEL)["series"]
    assert here["whole"]["ended"] == _ended(first, last, node=node)


def test_a_series_for_each_model_or_node_adds_up_to_all(past: None) -> None:
    for split in ("model", "node"):
        found = _history(0, 9000, split=split)["series"]
        assert sum(series["whole"]["ended"] for series in found) == 60
    assert [(series["node"], series["model"]) for series in found] == [("gpu-a", None), ("gpu-b", None)]
    assert [series["model"] for series in _history(0, 9000, split="model", node="gpu-b")["series"]] == [OTHER]


def test_small_series_are_put_together_beyond_the_top(past: None) -> None:
    first, rest = _history(0, 9000, split="model", top=1)["series"]
    assert (first["model"], first["others"]) == (MODEL, 0)
    assert (rest["model"], rest["others"], rest["whole"]["ended"]) == (None, 1, 30)


def test_gauges_are_means_over_samples_and_null_without_one(past: None) -> None:
    (fleet,) = _history(8700, 8710)["series"]
    assert fleet["values"]["running"] == [3, 3, 3, *[None] * 7]
    assert fleet["values"]["waiting_peak"][:4] == [1, 1, 1, None]
    (minutes,) = _history(0, 8000, model=MODEL)["series"]
    assert set(minutes["values"]["running"]) == {2, None}
    assert set(minutes["values"]["tokens_per_second"]) == {30, None}


def test_the_time_to_the_first_token_is_told_of_steps_and_of_the_whole(past: None) -> None:
    (fleet,) = _history(0, 9000, points=10)["series"]
    median = fleet["whole"]["first_token_p50_seconds"]
    assert median is not None
    assert 0.9 < median < 1.3
    assert all(0.9 < value < 1.3 for value in fleet["values"]["first_token_p95_seconds"] if value)


def test_only_the_metrics_that_were_asked_for_are_told(past: None) -> None:
    (fleet,) = _history(0, 9000, metrics=("running", "errors"))["series"]
    assert list(fleet["values"]) == ["running", "errors"]


def test_nobody_knows_what_waits_for_a_node(past: None) -> None:
    (here,) = _history(0, 9000, node="gpu-a")["series"]
    assert "waiting" not in here["values"]


def test_without_a_history_there_is_an_empty_one(db: None) -> None:
    (fleet,) = _history(-86_400 * 300, 9000)["series"]
    assert fleet["whole"]["ended"] == 0
    assert set(fleet["values"]["running"]) == {None}
    assert _history(0, 9000, split="model")["series"] == []


def test_a_node_is_found_by_the_name_it_has_now(past: None, node: Node) -> None:
    Node.objects.filter(pk=node.pk).update(name="gpu-z")
    assert _history(0, 9000, node="gpu-z")["series"][0]["whole"]["ended"] == 30
    Node.objects.filter(pk=node.pk).delete()
    assert _history(0, 9000, node="gpu-a")["series"][0]["whole"]["ended"] == 30


def test_a_range_costs_a_fixed_number_of_queries(past: None, django_assert_max_num_queries: Any) -> None:
    for split in ("", "model", "node"):
        with django_assert_max_num_queries(6):
            _history(-30_000_000, 9000, split=split)


@pytest.mark.parametrize("name", RANGES)
def test_a_named_range_ends_now(name: str) -> None:
    start, end = history_range(name, None, None, at(0))
    assert (end, end - start) == (at(0), RANGES[name])


@pytest.mark.parametrize(
    ("name", "start", "end"), [("2h", None, None), ("", 100, 50), ("", 5, None), ("", -400 * 86_400, None)]
)
def test_a_range_that_makes_no_sense_is_refused(name: str, start: int | None, end: int | None) -> None:
    with pytest.raises(InvalidInput):
        history_range(name, None if start is None else at(start), None if end is None else at(end), at(0))


def test_an_end_in_the_future_is_now() -> None:
    assert history_range("", at(-10), at(0) + timedelta(days=1), at(0)) == (at(-10), at(0))


@pytest.mark.parametrize("fields", [{"metrics": ("speed",)}, {"split": "model", "model": MODEL}])
def test_what_cannot_be_told_is_refused(db: None, fields: Any) -> None:
    with pytest.raises(InvalidInput):
        _history(0, 100, **fields)


def test_totals_are_all_that_ever_ended(past: None) -> None:
    totals = history_totals()
    assert {key: sums["ended"] for key, sums in totals.items()} == {("gpu-a", MODEL): 30, ("gpu-b", OTHER): 30}
    assert totals["gpu-b", OTHER]["errors"] == 30


def test_an_hour_that_is_closed_while_somebody_reads_is_told_once(past: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Meters that went up and down again would look to Prometheus like a restart."""
    read = history_queries._chunks
    closing = iter((at(11_200),))

    def overtaken(*asked: Any) -> Any:
        for now in closing:
            history.record(samples=(), now=now)
        return read(*asked)

    LoadMark.objects.filter(level=HOURS.number).update(until_at=at(3600))
    monkeypatch.setattr(history_queries, "_chunks", overtaken)
    told = _history(0, 9000, now=40 * 3600)
    assert [series["whole"]["ended"] for series in told["series"]] == [60]
    closing = iter((at(14_900),))
    assert sum(sums["ended"] for sums in history_totals().values()) == 60
