"""What is read once a second: what is installed, what was learned, and what high tasks ask for."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from orchestration.engine.lessons import move_log, read_lessons
from orchestration.models import (
    Agent,
    FleetDefaults,
    Node,
    NodeModel,
    NodeVariant,
    OllamaModel,
    OutputEstimate,
    Run,
    Task,
    User,
)
from orchestration.policy.decision import Grant
from orchestration.policy.fleet import HIGH_WINDOW, Variant
from orchestration.services import grants

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]

MODEL = "llama3.2:latest"


def test_what_is_on_each_disk_is_known_with_its_size(make_node: Callable[..., Node]) -> None:
    first, second = make_node("gpu-a", models=(MODEL, "qwen:32b")), make_node("gpu-b")
    NodeModel.objects.filter(node=second).update(installed=False)
    OllamaModel.objects.filter(name=MODEL).update(context_length=2048, capabilities=["embedding"])
    lessons = read_lessons(timezone.now())
    assert lessons.sizes[first.pk] == {MODEL: 2_000_000_000, "qwen:32b": 2_000_000_000}
    assert lessons.sizes[second.pk] == {}
    assert lessons.single[first.pk] == {MODEL}
    assert lessons.contexts == {MODEL: 2048, "qwen:32b": None}


def test_what_was_learned_of_a_model_on_a_node_is_the_mean_over_its_contexts(node: Node, agent: Agent) -> None:
    for num_ctx, speed in ((4096, 20.0), (8192, 30.0), (16384, None)):
        fields: dict[str, Any] = {"tokens_per_second": speed, "load_seconds": speed, "run_seconds": speed}
        NodeVariant.objects.create(node=node, model_name=MODEL, num_ctx=num_ctx, size_bytes=num_ctx, **fields)
    OutputEstimate.objects.create(agent=agent, type="chat", tokens=77)
    lessons = read_lessons(timezone.now())
    estimates = lessons.estimates
    assert estimates.tokens_per_second == estimates.load_seconds == estimates.run_seconds == {(node.pk, MODEL): 25}
    assert estimates.output_tokens == {(agent.pk, "chat"): 77}
    assert lessons.known_bytes[node.pk][Variant(model=MODEL, num_ctx=8192)] == 8192


def test_the_rate_of_high_tasks_is_counted_over_the_last_minutes(submit: Callable[..., Run], node: Node) -> None:
    now = timezone.now()
    for slot, (priority, age) in enumerate(((0, 1), (0, 200), (0, 400), (1, 1))):
        task = submit("text", priority=priority).tasks.get()
        grant = Grant(task_id=task.pk, node_id=node.pk, model=MODEL, num_ctx=4096, slot=slot, reason="test")
        assert grants.assign(grants=[grant], now=now - timedelta(seconds=age))
    assert Task.objects.filter(status="assigned").count() == 4
    assert read_lessons(now).high_rate == {MODEL: 2 / HIGH_WINDOW.total_seconds()}


def test_queues_are_counted_in_full(submit: Callable[..., Run]) -> None:
    run = submit(*(f"t{number}" for number in range(30)))
    assert read_lessons(timezone.now()).counts == {(run.tasks.all()[0].lane_id, 1): 30}


@pytest.mark.django_db(transaction=True)
def test_the_write_ahead_log_is_moved_into_the_file() -> None:
    User.objects.create_user("somebody")
    move_log()
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(PASSIVE)")
            _, pages, moved = cursor.fetchone()
        assert pages == moved


def test_what_is_pinned_without_a_context_is_wanted_with_that_of_its_tasks(node: Node) -> None:
    NodeModel.objects.update(pinned=True, pinned_by="alice")
    assert read_lessons(timezone.now()).pinned[node.pk] == {Variant(model=MODEL, num_ctx=4096): "pinned by alice"}
    FleetDefaults.objects.create(pk=1, options={"num_ctx": 8192})
    assert list(read_lessons(timezone.now()).pinned[node.pk]) == [Variant(model=MODEL, num_ctx=8192)]
