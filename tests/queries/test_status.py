"""How Drover is doing: health of its parts, workers, totals, recent errors."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError
from django.utils import timezone

from orchestration import extensions, queries
from orchestration.models import Attempt, Node
from orchestration.queries import status
from orchestration.services import catalogue, processes
from tests.queries.conftest import Make


def _beat(**fields: Any) -> None:
    kept = {"hostname": "here", "pid": 7, "capacity": 9, "in_use": 1, "stopping": False, "started_at": timezone.now()}
    processes.worker_beat(name="worker-1", **{**kept, **fields})


def _lead() -> None:
    processes.hold_role(role=status.SCHEDULER_ROLE, holder="here:8", lease=timedelta(minutes=1))


def _failing() -> set[str]:
    answer = queries.health()
    failing = {name for name, check in answer["checks"].items() if not check["ok"]}
    assert answer["status"] == ("degraded" if failing else "ok")
    return failing


def test_all_is_well_when_every_part_is_alive(db: None) -> None:
    assert _failing() == {"scheduler", "worker"}
    _beat()
    _lead()
    assert _failing() == set()
    assert set(queries.health()["checks"]) == {"web", "database", "redis", "scheduler", "worker"}


def test_each_part_that_is_missing_is_named(db: None, redis_server: Any) -> None:
    _lead()
    _beat(now=timezone.now() - timedelta(minutes=2))
    redis_server.stop()
    assert _failing() == {"redis", "worker"}


def test_extensions_that_could_not_be_loaded_are_a_note_and_no_failure(db: None, packages: Any) -> None:
    packages.add("raise RuntimeError", task_types={"broken": "Broken"}, routers={"fine": "Fine"})
    assert "notes" not in queries.health()
    assert extensions.need_of("broken") == "completion"
    answer = queries.health()
    assert answer["notes"] == ["1 installed extensions cannot be loaded; doctor says why"]
    assert "extensions" not in answer["checks"]


def test_a_library_that_cannot_be_read_is_a_note_and_no_failure(db: None) -> None:
    catalogue.note_failure(error="it did not answer", now=timezone.now())
    assert queries.health()["notes"] == ["the model library could not be read the last time; the catalogue says why"]
    catalogue.keep(models=[], now=timezone.now())
    assert "notes" not in queries.health()


def test_a_leader_whose_lease_has_ended_leads_no_more(db: None) -> None:
    _beat()
    _lead()
    processes.release_role(role=status.SCHEDULER_ROLE, holder="here:8")
    assert _failing() == {"scheduler"}


def test_without_a_database_the_rest_is_unknown(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    class Away:
        vendor = "sqlite"

        def cursor(self) -> None:
            raise DatabaseError("server closed the connection\nunexpectedly")

    monkeypatch.setattr(status, "connection", Away())
    checks = queries.health()["checks"]
    assert checks["database"]["message"].startswith("does not answer")
    assert not checks["scheduler"]["ok"]


def test_a_worker_that_fell_silent_is_listed_as_not_alive(db: None, settings: Any) -> None:
    _beat()
    (worker,) = queries.workers()
    assert (worker["name"], worker["alive"], worker["capacity"], worker["in_use"]) == ("worker-1", True, 9, 1)
    later = timezone.now() + settings.DROVER_WORKER_STALE
    assert [row["alive"] for row in status.workers(now=later)] == [False]


def test_totals_add_up(mixed: list[Any]) -> None:
    metrics = queries.metrics()
    words = ("completed", "failed", "cancelled", "pending", "running")
    assert metrics["total"] == sum(metrics[word] for word in words) == len(mixed)
    assert metrics["success_rate"] == 0.5
    assert metrics["by_model"] == {"llama3.2:latest": {"completed": 2, "failed": 2}}
    assert metrics["by_node"] == {"gpu-a": {"completed": 1, "failed": 2}, "gpu-b": {"completed": 1, "failed": 0}}
    assert metrics["routing"]["poet"] == {"llama3.2:latest": 1}


def test_before_the_first_end_there_is_no_rate(db: None) -> None:
    assert queries.metrics()["success_rate"] is None
    assert queries.metrics()["total"] == 0


def test_errors_are_the_latest_attempts_that_did_not_end_well(make_task: Make, node: Node) -> None:
    now = timezone.now()
    for number, outcome in enumerate(("failed", "completed", "lost")):
        Attempt.objects.create(
            task=make_task("failed", title=f"task {number}"),
            number=1,
            node=node,
            node_name="gpu-a",
            model_name="llama3.2:latest",
            num_ctx=4096,
            slot=0,
            token=str(number),
            status=outcome,
            granted_at=now,
            lease_until=now,
            ended_at=now,
            error=f"error {number}",
        )
    assert [row["error"] for row in queries.errors()] == ["error 2", "error 0"]
    assert [row["title"] for row in queries.errors(limit=1)] == ["task 2"]
