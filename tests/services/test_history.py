"""The load history: every sample and every ended attempt is in it once, whatever happens to who writes it."""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from orchestration.models import Attempt, LoadChunk, LoadMark, LoadSeries, Node
from orchestration.policy.series import HOURS, LEVELS, MINUTES, PEAKS, SECONDS, WAITS, Level, most_rows, unpacked
from orchestration.services import history, load_chunks, processes
from tests.loads import MODEL, NOW, OTHER, at, ended_attempt, sampled, starts_at

ROLE = "scheduler"


@pytest.fixture
def gpu_b(make_node: Callable[..., Node]) -> Node:
    return make_node("gpu-b", models=(MODEL, OTHER))


def _record(second: float, samples: Any = (), **fields: Any) -> None:
    history.record(samples=samples, now=at(second), **fields)


def _sums(level: Level, node: Node | None = None, model: str = "") -> dict[str, float]:
    """Over everything a level has of a series."""
    sums: dict[str, float] = {}
    chunks = LoadChunk.objects.filter(level=level.number, series__node=node, series__model_name=model)
    chunks = chunks if node else chunks.filter(series__node_name="")
    for chunk in chunks:
        for name, value in unpacked(level.points, bytes(chunk.head), bytes(chunk.waits)).total().items():
            sums[name] = max(sums.get(name, 0), value) if name in PEAKS else sums.get(name, 0) + value
    return sums


def _marks() -> dict[int, int]:
    return {mark.level: int(mark.until_at.timestamp()) - NOW for mark in LoadMark.objects.all()}


def test_what_ended_is_counted_where_it_ran(node: Node, gpu_b: Node) -> None:
    starts_at(0)
    ended_attempt(5, node=node)
    ended_attempt(6, node=node, model=OTHER, status="failed", output_tokens=7)
    ended_attempt(7, node=gpu_b, status="cancelled")
    _record(20)
    assert _sums(SECONDS)["ended"] == 3
    assert _sums(SECONDS)["errors"] == 1
    assert _sums(SECONDS, node)["output_tokens"] == 107
    assert _sums(SECONDS, model=MODEL)["ended"] == 2
    assert _sums(SECONDS, gpu_b, MODEL)["prompt_tokens"] == 10
    assert sum(value for name, value in _sums(SECONDS, node, MODEL).items() if name in WAITS) == 1


def test_looking_again_counts_nothing_twice_and_finds_what_was_committed_late(node: Node) -> None:
    starts_at(0)
    ended_attempt(5, node=node)
    for second in (10, 11, 20):
        _record(second)
    ended_attempt(6, node=node)
    _record(30)
    assert _sums(SECONDS)["ended"] == 2
    assert _marks()[SECONDS.number] == 0


def test_samples_are_the_gauges_of_all_the_series_they_belong_to(node: Node, gpu_b: Node) -> None:
    starts_at(0)
    _record(20, sampled(0, 10, {node: {MODEL: 2}, gpu_b: {MODEL: 1, OTHER: 3}}, waiting=4))
    assert _sums(SECONDS)["samples"] == 10
    assert (_sums(SECONDS)["running"], _sums(SECONDS)["waiting"], _sums(SECONDS)["vram"]) == (60, 40, 30_000)
    assert (_sums(SECONDS, node)["running"], _sums(SECONDS, node)["running_peak"]) == (20, 2)
    assert (_sums(SECONDS, model=MODEL)["running"], _sums(SECONDS, model=MODEL)["waiting"]) == (30, 40)
    assert _sums(SECONDS, gpu_b, OTHER)["running"] == 30


def test_a_sample_stands_for_the_second_that_was_left_out(node: Node) -> None:
    starts_at(0)
    first, *_, last = sampled(0, 3, {node: {MODEL: 1}})
    _record(10, [first, last._replace(before=first)])
    assert _sums(SECONDS)["samples"] == 3


def test_of_a_node_that_does_not_answer_the_memory_is_unknown(node: Node, gpu_b: Node) -> None:
    starts_at(0)
    _record(10, sampled(0, 4, {node: {MODEL: 1}, gpu_b: None}))
    assert _sums(SECONDS, node)["vram_samples"] == 4
    assert _sums(SECONDS, gpu_b) == {}


def test_without_reports_the_speed_is_unknown(node: Node) -> None:
    starts_at(0)
    _record(10, sampled(0, 4, {node: {MODEL: 1}}, rate=None))
    assert "rate_samples" not in _sums(SECONDS)


def test_a_model_that_comes_into_memory_is_a_load(node: Node, gpu_b: Node) -> None:
    starts_at(0)
    before = sampled(0, 1, {node: {MODEL: 1}, gpu_b: None})[0]
    after = sampled(1, 2, {node: {MODEL: 1, OTHER: 0}, gpu_b: {MODEL: 0}})[0]
    _record(10, [before, after._replace(before=before)])
    assert _sums(SECONDS)["loads"] == 1
    assert _sums(SECONDS, node, OTHER)["loads"] == 1
    assert "loads" not in _sums(SECONDS, gpu_b)


def test_minutes_and_hours_are_sums_of_what_is_finer(node: Node) -> None:
    starts_at(0)
    for second in range(0, 7600, 20):
        if second % 100 == 0:
            ended_attempt(second + 0.5, node=node)
        _record(second + 20, sampled(second, second + 20, {node: {MODEL: 2}}))
    assert _marks() == {SECONDS.number: 7570, MINUTES.number: 7560, HOURS.number: 7200}
    minutes, hours = _sums(MINUTES, node, MODEL), _sums(HOURS, node, MODEL)
    assert (minutes["ended"], minutes["running"], minutes["running_peak"]) == (76, 15_120, 2)
    assert (hours["ended"], hours["output_tokens"], hours["running"]) == (72, 7200, 14_400)
    assert _sums(HOURS)["samples"] == 7200


def test_what_was_committed_minutes_late_is_found_before_the_hour_is_closed(node: Node) -> None:
    starts_at(0)
    _record(1800)
    ended_attempt(100, node=node)
    for second in (3600, 3700, 3950):
        _record(second)
    assert _marks()[HOURS.number] == 3600
    assert _sums(MINUTES)["ended"] == _sums(HOURS)["ended"] == 1


def test_totals_of_closed_hours_grow_once(node: Node) -> None:
    starts_at(0)
    ended_attempt(100, node=node)
    ended_attempt(3700, node=node)
    for second in (200, 3700, 3950, 3960, 7400):
        _record(second)
    totals = LoadSeries.objects.get(node=node, model_name=MODEL).totals
    assert (totals["ended"], totals["output_tokens"]) == (1, 100)
    LoadMark.objects.filter(level=HOURS.number).update(until_at=at(0))
    _record(7450)
    assert LoadSeries.objects.get(node=node, model_name=MODEL).totals == totals


@pytest.mark.parametrize("away", [1800, 3 * 3600, 30 * 3600, 10 * 86_400])
def test_what_ended_while_nobody_led_is_caught_up_with(node: Node, away: int) -> None:
    starts_at(0)
    _record(95, sampled(80, 95, {node: {MODEL: 2}}))
    for share in range(20):
        ended_attempt(95 + share * away / 20, node=node)
    _record(95 + away)
    for second in range(0, 8000, 250):
        _record(95 + away + second)
    later = 95 + away + 8000
    _record(later)
    assert _sums(HOURS)["ended"] == 20
    assert _sums(HOURS, node, MODEL)["running"] == 30
    kept = [Attempt.objects.filter(ended_at__gte=at(later - hours * 3600)).count() for hours in (24, 30)]
    assert kept[0] <= _sums(MINUTES)["ended"] <= kept[1]


def test_a_first_start_begins_with_what_is_there(node: Node) -> None:
    for day in range(40):
        ended_attempt(-day * 86_400 - 100, node=node)
    ended_attempt(-400 * 86_400, node=node)
    _record(0)
    _record(4000)
    assert _sums(HOURS)["ended"] == 40


def test_nothing_that_ran_nowhere_makes_a_series(node: Node) -> None:
    _record(100)
    assert not LoadSeries.objects.exists()


def test_a_renamed_node_keeps_its_series_and_a_removed_one_its_name(node: Node) -> None:
    starts_at(0)
    ended_attempt(5, node=node)
    _record(10)
    Node.objects.update(name="gpu-z")
    ended_attempt(15, node=node, node_name="gpu-a")
    _record(20)
    assert LoadSeries.objects.filter(node=node, model_name=MODEL).count() == 1
    Node.objects.all().delete()
    _record(30)
    assert LoadSeries.objects.filter(node=None, node_name="gpu-a", model_name=MODEL).exists()
    assert _sums(SECONDS)["ended"] == 2


@pytest.mark.parametrize("known", [True, False])
def test_what_was_seen_of_a_node_that_is_gone_since_is_not_taken_for_all_of_them(
    node: Node, gpu_b: Node, known: bool
) -> None:
    starts_at(0)
    held = {node: {MODEL: 1}, gpu_b: {MODEL: 1}}
    if known:
        _record(10, sampled(0, 10, held))
    samples = sampled(10, 20, held)
    gpu_b.delete()
    _record(20, samples)
    assert LoadSeries.objects.filter(node=None, node_name="").count() == 2
    assert _sums(SECONDS, model=MODEL)["running"] == 2 * _sums(SECONDS)["samples"]
    gone = LoadChunk.objects.filter(series__node=None, series__node_name="gpu-b", series__model_name=MODEL)
    assert [unpacked(SECONDS.points, bytes(chunk.head)).total()["running"] for chunk in gone] == [20 if known else 10]


def test_a_clock_that_was_ahead_for_a_while_stops_nothing(node: Node) -> None:
    starts_at(0)
    ended_attempt(50, node=node)
    _record(100)
    _record(100 + 2 * 86_400)
    ended_attempt(150, node=node)
    for second in range(200, 8000, 250):
        _record(second)
    assert _sums(HOURS)["ended"] == 2
    assert LoadSeries.objects.get(node=node, model_name=MODEL).totals["ended"] == 2


def test_two_who_both_believe_to_lead_count_an_hour_once(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    starts_at(0)
    ended_attempt(100, node=node)
    _record(3700)
    packed = load_chunks.Chunks.changed

    def overtaken(chunks: load_chunks.Chunks) -> Any:
        found = packed(chunks)
        if chunks.level is HOURS:
            monkeypatch.setattr(load_chunks.Chunks, "changed", packed)
            _record(4000)
        return found

    monkeypatch.setattr(load_chunks.Chunks, "changed", overtaken)
    _record(4000)
    assert LoadSeries.objects.get(node=node, model_name=MODEL).totals["ended"] == 1


def test_only_who_leads_writes(node: Node) -> None:
    starts_at(0)
    ended_attempt(5, node=node)
    _record(10, role=ROLE, holder="another")
    assert not LoadChunk.objects.exists()
    processes.hold_role(role=ROLE, holder="me", lease=timedelta(minutes=5))
    _record(10, role=ROLE, holder="me")
    assert LoadChunk.objects.exists()


def test_what_is_too_old_goes_and_rows_stay_within_their_bound(node: Node) -> None:
    starts_at(0)
    held = {node: {MODEL: 1}}
    for second in range(0, 30 * 3600, 240):
        samples = [sample for at in (59, 119, 179, 239) for sample in sampled(second + at, second + at + 1, held)]
        _record(second + 240, samples)
        if second % 7200 == 0:
            counts = {
                level: LoadChunk.objects.filter(level=level.number, series__node=None).count() for level in LEVELS
            }
            assert all(counts[level] <= 2 * level.most_chunks for level in LEVELS)
    assert LoadChunk.objects.count() <= most_rows(1, 1)
    assert LoadChunk.objects.filter(level=SECONDS.number, series__node=node, series__model_name=MODEL).count() > 60


def test_sums_of_every_level_are_those_of_the_attempts_in_whatever_way_they_came(node: Node, gpu_b: Node) -> None:
    chance = random.Random(5)
    starts_at(0)
    now = 0.0
    while now < 9000:
        now += chance.choice((3, 10, 10, 40, 400))
        places = [(chance.choice((node, gpu_b)), chance.choice((MODEL, OTHER))) for _ in range(chance.randrange(4))]
        due = [(now - chance.uniform(0, 25), *place) for place in places]
        for second, where, model in due:
            if second >= 0:
                ended_attempt(second, node=where, model=model, status=chance.choice(("completed", "failed", "lost")))
        _record(now)
    for where in (node, gpu_b):
        for model in (MODEL, OTHER):
            rows = Attempt.objects.filter(node=where, model_name=model)
            closed = rows.filter(ended_at__lt=at(_marks()[MINUTES.number]))
            assert _sums(MINUTES, where, model).get("ended", 0) == closed.count()
            failed = closed.exclude(status="completed").count()
            assert _sums(MINUTES, where, model).get("errors", 0) == failed


def test_a_usual_turn_takes_few_statements(node: Node, django_assert_max_num_queries: Any) -> None:
    starts_at(0)
    _record(10, sampled(0, 10, {node: {MODEL: 1}}))
    ended_attempt(12, node=node)
    with django_assert_max_num_queries(14):
        _record(20, sampled(10, 20, {node: {MODEL: 1}}))
