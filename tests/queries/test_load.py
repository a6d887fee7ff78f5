"""The load sample: counted, not guessed; whatever nobody knows is None."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from orchestration import events, queries
from orchestration.models import Attempt, LoadPlan, Node, NodeModel, Pause, Task
from orchestration.payloads import stamp
from orchestration.services import processes
from tests.queries.conftest import Make

MODEL = "llama3.2:latest"
NOW = timezone.now()


def _report(worker: str = "worker-1", *, at: datetime = NOW, tokens: float = 30, loading: int = 0) -> None:
    key = f"gpu-a\0{MODEL}"
    report = {"at": at.isoformat(), "rates": {key: tokens}, "phases": {key: {"loading": loading}}}
    events.connection().hset(events.RATES, worker, json.dumps(report))


@pytest.fixture
def run_on(node: Node) -> Callable[..., None]:
    def attempt(task: Task, slot: int = 0) -> None:
        Attempt.objects.create(
            task=task,
            number=1,
            node=node,
            node_name=node.name,
            model_name=MODEL,
            num_ctx=4096,
            slot=slot,
            token=f"t{task.pk}",
            status="running",
            granted_at=NOW,
            lease_until=NOW,
        )

    return attempt


def test_what_runs_and_waits_is_counted_by_model_and_by_node(
    make_task: Make, run_on: Callable[..., None], node: Node
) -> None:
    for slot in range(2):
        run_on(make_task("running"), slot)
    for _ in range(3):
        make_task(ready_at=NOW - timedelta(seconds=20))
    sample = queries.load_sample(NOW)
    (model,) = sample["models"]
    assert (model["name"], model["running"], model["waiting"], model["slots"]) == (MODEL, 2, 3, 4)
    (shown,) = sample["nodes"]
    assert (shown["name"], shown["status"], shown["running"], shown["slots"]) == ("gpu-a", "healthy", 2, 4)
    assert (sample["totals"]["running"], sample["totals"]["waiting"]) == (2, 3)
    assert sample["totals"]["oldest_wait_seconds"] == pytest.approx(20)


def test_speed_is_what_workers_reported_in_the_last_seconds(
    make_task: Make, run_on: Callable[..., None], node: Node
) -> None:
    run_on(make_task("running"))
    _report("worker-1", tokens=30)
    _report("worker-2", tokens=12.5)
    _report("worker-3", at=NOW - timedelta(seconds=30), tokens=1000)
    sample = queries.load_sample(NOW)
    assert sample["models"][0]["tokens_per_second"] == 42.5
    assert sample["nodes"][0]["tokens_per_second"] == 42.5
    assert sample["totals"]["tokens_per_second"] == 42.5


def test_without_a_fresh_report_the_speed_is_unknown_not_nothing(
    make_task: Make, run_on: Callable[..., None], node: Node, redis_server: Any
) -> None:
    run_on(make_task("running"))
    _report(at=NOW - timedelta(seconds=30))
    assert queries.load_sample(NOW)["totals"]["tokens_per_second"] is None
    redis_server.stop()
    sample = queries.load_sample(NOW)
    assert sample["models"][0]["tokens_per_second"] is None
    assert sample["totals"]["redis"] is False
    assert sample["totals"]["running"] == 1


def test_resident_models_show_their_memory_and_when_they_go(node: Node) -> None:
    NodeModel.objects.update(loaded=True, vram_bytes=5_000, expires_at=NOW + timedelta(minutes=5))
    sample = queries.load_sample(NOW)
    (resident,) = sample["nodes"][0]["models"]
    assert (resident["name"], resident["vram_bytes"], resident["running"]) == (MODEL, 5_000, 0)
    assert resident["expires_at"] is not None
    assert sample["nodes"][0]["vram_used_bytes"] == 5_000
    assert sample["models"][0]["nodes"] == ["gpu-a"]


def test_what_lies_in_main_memory_is_told_beside_the_video_memory(node: Node) -> None:
    NodeModel.objects.update(loaded=True, vram_bytes=0, loaded_bytes=7_000)
    sample = queries.load_sample(NOW)
    (shown,) = sample["nodes"]
    for told in (shown["models"][0], sample["models"][0]):
        assert (told["vram_bytes"], told["loaded_bytes"]) == (0, 7_000)
    assert (shown["vram_used_bytes"], shown["loaded_bytes"]) == (0, 7_000)


def test_a_model_that_is_being_loaded_is_marked(make_task: Make, run_on: Callable[..., None]) -> None:
    run_on(make_task("running"))
    _report(loading=1)
    assert queries.load_sample(NOW)["models"][0]["loading"]


def _plan(node: Node, **fields: Any) -> None:
    kept = {"model_name": "qwen3:8b", "num_ctx": 8192, "planned_at": NOW, "expected_seconds": 18.0, "token": "t"}
    LoadPlan.objects.create(node=node, victims=[[MODEL, 4096]], **{**kept, **fields})


def test_a_load_is_told_of_its_node_and_its_model(node: Node) -> None:
    NodeModel.objects.update(loaded=False)
    _plan(node, loading_since=NOW, reason="there is room")
    sample = queries.load_sample(NOW)
    (shown,) = sample["nodes"]
    assert shown["plan"] == {
        "model": "qwen3:8b",
        "context_length": 8192,
        "state": "loading",
        "since": stamp(NOW),
        "expected_seconds": 18.0,
        "makes_room": [MODEL],
        "reason": "there is room",
    }
    (model,) = sample["models"]
    assert (model["name"], model["loading"], model["slots"], model["nodes"]) == ("qwen3:8b", True, 0, ["gpu-a"])
    (resident,) = shown["models"]
    assert (resident["loading"], resident["slots"], shown["slots"]) == (True, 0, 0)


def test_a_node_that_makes_room_loads_nothing_yet(node: Node) -> None:
    NodeModel.objects.update(loaded=True)
    _plan(node)
    sample = queries.load_sample(NOW)
    plan = sample["nodes"][0]["plan"]
    assert plan is not None
    assert plan["state"] == "making_room"
    assert not any(model["loading"] for model in sample["models"])


def test_of_a_node_that_is_away_nothing_is_known(node: Node) -> None:
    NodeModel.objects.update(loaded=True, vram_bytes=5_000)
    Node.objects.update(health="unhealthy", health_reason="Connection refused")
    (shown,) = queries.load_sample(NOW)["nodes"]
    assert (shown["status"], shown["reason"]) == ("unhealthy", "Connection refused")
    assert (shown["slots"], shown["vram_used_bytes"], shown["tokens_per_second"]) == (None, None, None)


def test_an_embedding_model_has_one_slot(make_node: Callable[..., Node]) -> None:
    make_node(models=("embed:latest",), loaded=("embed:latest",))
    NodeModel.objects.get().model.__class__.objects.update(capabilities=["embedding"])
    assert queries.load_sample(NOW)["models"][0]["slots"] == 1


def test_the_last_hour_and_the_first_tokens_of_the_last_quarter(make_task: Make) -> None:
    for seconds in (0.1, 0.2, 0.3, 0.4, 9.0):
        make_task("completed", first_token_seconds=seconds, ended_at=NOW - timedelta(minutes=5))
    make_task("completed", first_token_seconds=99, ended_at=NOW - timedelta(minutes=30))
    make_task("failed", ended_at=NOW - timedelta(minutes=59))
    make_task("failed", ended_at=NOW - timedelta(minutes=61))
    totals = queries.load_sample(NOW)["totals"]
    assert (totals["ended_last_hour"], totals["failed_last_hour"]) == (7, 1)
    assert (totals["first_token_p50_seconds"], totals["first_token_p95_seconds"]) == (0.3, 9.0)


def test_an_idle_fleet_knows_what_it_does_not_know(db: None) -> None:
    sample = queries.load_sample(NOW)
    totals = sample["totals"]
    assert (sample["models"], sample["nodes"]) == ([], [])
    assert (totals["running"], totals["waiting"], totals["workers_alive"]) == (0, 0, 0)
    assert (totals["oldest_wait_seconds"], totals["tokens_per_second"], totals["first_token_p50_seconds"]) == (
        None,
        None,
        None,
    )


def test_only_live_workers_count(db: None) -> None:
    kept = {"hostname": "here", "pid": 7, "capacity": 9, "in_use": 2, "stopping": False, "started_at": NOW}
    processes.worker_beat(name="alive", now=NOW, **kept)
    processes.worker_beat(name="dead", now=NOW - timedelta(minutes=2), **kept)
    totals = queries.load_sample(NOW)["totals"]
    assert (totals["workers_alive"], totals["worker_capacity"], totals["worker_in_use"]) == (1, 9, 2)


def test_a_sample_costs_the_same_however_much_there_is(
    make_task: Make, run_on: Callable[..., None], django_assert_max_num_queries: Any
) -> None:
    for slot in range(4):
        run_on(make_task("running"), slot)
    for _ in range(20):
        make_task()
    with django_assert_max_num_queries(12):
        queries.load_sample(NOW)


def test_a_paused_model_is_marked(node: Node, make_task: Make, db: None) -> None:
    make_task(ready_at=NOW)
    assert [model["paused"] for model in queries.load_sample(NOW)["models"]] == [False]
    Pause.objects.create(kind="model", key=MODEL, paused_by_name="ana", paused_at=NOW)
    assert [model["paused"] for model in queries.load_sample(NOW)["models"]] == [True]
