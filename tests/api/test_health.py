"""``/healthz`` is 200 only when every part is alive."""

import os
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from orchestration.services import processes


def beat() -> None:
    processes.worker_beat(
        name="worker-1",
        hostname="here",
        pid=os.getpid(),
        capacity=250,
        in_use=0,
        stopping=False,
        started_at=timezone.now(),
    )


def lead() -> None:
    processes.hold_role(role="scheduler", holder="scheduler-1", lease=timedelta(minutes=1))


def test_with_every_part_alive_it_is_ok(client: Client, db: None, redis_server: Any) -> None:
    beat()
    lead()
    response = client.get("/healthz")
    assert (response.status_code, response.json()["status"]) == (200, "ok")


@pytest.mark.parametrize("missing", ["scheduler", "worker"])
def test_a_missing_part_is_503_and_named(client: Client, db: None, redis_server: Any, missing: str) -> None:
    for part, wake in (("scheduler", lead), ("worker", beat)):
        if part != missing:
            wake()
    response = client.get("/healthz")
    assert response.status_code == 503
    checks = response.json()["checks"]
    assert [name for name, check in checks.items() if not check["ok"]] == [missing]


def test_a_redis_that_is_away_is_503(client: Client, db: None, redis_server: Any) -> None:
    beat()
    lead()
    redis_server.stop()
    response = client.get("/healthz")
    assert response.status_code == 503
    assert response.json()["checks"]["redis"]["ok"] is False


def test_it_is_never_cached_and_needs_no_login(client: Client, db: None, redis_server: Any) -> None:
    assert "no-store" in client.get("/healthz")["Cache-Control"]
