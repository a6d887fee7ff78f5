"""Totals, errors and workers over REST."""

import os
from collections.abc import Callable

from django.utils import timezone

from orchestration.models import Node, Run, Task
from orchestration.policy.states import TaskStatus
from orchestration.services import processes

from .conftest import ApiClient, end, start


def test_metrics_count_by_outcome_model_and_node(
    carol_api: ApiClient, submit: Callable[..., Run], node: Node, finished: Task
) -> None:
    failed, _ = submit("fails", "waits").tasks.order_by("position")
    end(start(failed, node), TaskStatus.FAILED, error="no luck")
    answer = carol_api.get("metrics").json()
    assert {name: answer[name] for name in ("total", "completed", "failed", "cancelled", "pending", "running")} == {
        "total": 3,
        "completed": 1,
        "failed": 1,
        "cancelled": 0,
        "pending": 1,
        "running": 0,
    }
    assert answer["success_rate"] == 0.5
    assert answer["by_model"] == {"llama3.2:latest": {"completed": 1, "failed": 1}}
    assert answer["by_node"] == {"gpu-a": {"completed": 1, "failed": 1}}
    assert answer["routing"] == {"writer": {"llama3.2:latest": 2}}


def test_without_tasks_the_success_rate_is_unknown(carol_api: ApiClient) -> None:
    assert carol_api.get("metrics").json()["success_rate"] is None


def test_errors_are_listed_newest_first_and_paged(carol_api: ApiClient, submit: Callable[..., Run], node: Node) -> None:
    for task in submit("one", "two").tasks.order_by("position"):
        end(start(task, node), TaskStatus.FAILED, error=f"{task.title} went wrong")
    first = carol_api.get("errors?limit=1").json()
    assert [(row["title"], row["error"], row["node"]) for row in first["errors"]] == [
        ("two", "two went wrong", "gpu-a")
    ]
    second = carol_api.get(f"errors?limit=1&cursor={first['next_cursor']}").json()
    assert [row["title"] for row in second["errors"]] == ["one"]
    assert second["next_cursor"] is None


def test_workers_are_listed_with_their_load(carol_api: ApiClient) -> None:
    now = timezone.now()
    processes.worker_beat(
        name="worker-1", hostname="here", pid=os.getpid(), capacity=250, in_use=3, stopping=False, started_at=now
    )
    [worker] = carol_api.get("workers").json()["workers"]
    assert (worker["name"], worker["capacity"], worker["in_use"], worker["alive"]) == ("worker-1", 250, 3, True)
