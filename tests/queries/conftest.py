"""A history with tasks in every state, of two people, two agents and two nodes."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from orchestration.models import Agent, Lane, Node, Run, Task, User
from orchestration.policy.states import ENDED, TaskStatus
from orchestration.services import gathering

Make = Callable[..., Task]
Answered = Callable[..., list[int]]
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _events(redis_server: object) -> None:
    """Reads look for live progress."""


@pytest.fixture
def make_task(agent: Agent, bob: User) -> Make:
    """A task as the services would have left it in that state."""
    run = Run.objects.create(kind="batch", owner=bob, agent=agent, agent_name=agent.name)
    lane = Lane.objects.create(key="k", models=["llama3.2:latest"], num_ctx=4096)

    def make(status: str = "pending", **fields: Any) -> Task:
        now = timezone.now()
        kept: dict[str, Any] = {
            "run": run,
            "owner": bob,
            "agent": agent,
            "agent_name": agent.name,
            "lane": lane,
            "type": "generate",
            "title": "Name a river",
            "ready_at": None if status == "blocked" else now,
        }
        if status in ("assigned", "running", "completed", "failed"):
            kept |= {"node_name": "gpu-a", "model_used": "llama3.2:latest", "attempt_count": 1, "started_at": now}
        if status in ENDED:
            kept |= {"ended_at": now, "duration_seconds": 1.0}
        return Task.objects.create(status=TaskStatus(status), **{**kept, **fields})

    return make


@pytest.fixture
def mixed(make_task: Make, node: Node, dave: User) -> list[Task]:
    old = timezone.now() - timedelta(hours=2)
    return [
        make_task("completed", tags=["nightly", "größe"]),
        make_task("completed", node_name="gpu-b", title="Write a poem", type="chat"),
        make_task("failed", error="bad", ended_at=old),
        make_task("failed", error="bad", owner=dave, agent_name="poet", agent=None),
        make_task("cancelled", priority=2),
        make_task("running", priority=0),
        make_task("assigned"),
        make_task("pending", model_name="qwen3:8b", tags=["night"]),
        make_task("blocked", owner=None),
    ]


@pytest.fixture
def answered(submit: Callable[..., Run]) -> Answered:
    """Kept answers given as (prompt, answer, fields of the task)."""

    def make(*given: tuple[str, str, dict[str, Any]]) -> list[int]:
        ids = []
        for prompt, output, fields in given:
            task = submit(prompt).tasks.get()
            changes = {"model_used": "llama3.2:latest", "ended_at": NOON, **fields}
            Task.objects.filter(pk=task.pk).update(status="completed", output=output, **changes)
            ids.append(task.pk)
        gathering.gather(seconds=60)
        return ids

    return make


@pytest.fixture
def fish(answered: Answered) -> list[int]:
    return answered(
        ("Name a red fish.", "The red snapper, a red, red fish.", {"tags": ["sea"]}),
        ("Name a blue fish.", "The tang. It has nothing red about it. " + "Long words follow. " * 60, {}),
        ("Give me JSON.", '{"fish": "pike"}', {"model_used": "qwen3:8b", "agent_name": "coder"}),
        ("Name a bird.", "A kite.", {"ended_at": NOON - timedelta(days=40)}),
    )
