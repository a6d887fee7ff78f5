"""Pulls as they are listed: those that matter now, what their workers told last, and sizes before anybody knows."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from orchestration import events
from orchestration.models import Node, NodeModel, OllamaModel, Pull, Task
from orchestration.permissions import Actor
from orchestration.policy.states import ErrandType
from orchestration.queries import pulls as queries
from orchestration.queries.pulls import SHOWN_AFTER_END
from orchestration.services import errands

HERE = "llama3.2:latest"
Ask = Callable[..., Task]


@pytest.fixture
def ask(as_alice: Actor, node: Node) -> Ask:
    """A pull to the node, whose task then has these fields."""

    def asked(model: str, **fields: Any) -> Task:
        run = errands.submit(actor=as_alice, type=ErrandType.PULL, models=[model], node_ids=[node.pk])
        Task.objects.filter(run=run).update(**fields)
        return Task.objects.get(run=run)

    return asked


def told(task: Task, **fields: Any) -> None:
    """What its worker told those who watch."""
    progress = {"attempt_id": task.attempt_id, "progress": 60, "message": "3 GB of 5 GB"}
    events.connection().hset(events.PROGRESS, str(task.pk), json.dumps({**progress, **fields}))


def listed(now: datetime, **options: Any) -> list[str]:
    return [pull["model"] for pull in queries.pulls(now=now, **options)]


def test_what_is_under_way_and_what_has_just_ended_is_listed_and_nothing_older(ask: Ask) -> None:
    now = timezone.now()
    ask("waits:1b")
    ask("runs:1b", status="running")
    ask("fresh:1b", status="completed", ended_at=now - SHOWN_AFTER_END)
    ask("failed:1b", status="failed", ended_at=now, error="The library has no model failed:1b.")
    ask("old:1b", status="completed", ended_at=now - SHOWN_AFTER_END - timedelta(seconds=1))
    assert listed(now) == ["failed:1b", "fresh:1b", "runs:1b", "waits:1b"]
    assert listed(now, limit=2) == ["failed:1b", "fresh:1b"]
    assert queries.pulls(now=now)[0]["error"] == "The library has no model failed:1b."


def test_other_errands_are_no_pulls(as_alice: Actor, node: Node) -> None:
    run = errands.submit(actor=as_alice, type=ErrandType.UNLOAD, models=[HERE], node_ids=[node.pk])
    assert listed(timezone.now()) == []
    assert queries.pull_of(run.tasks.get().pk) is None


def test_many_pulls_cost_as_many_statements_as_one(ask: Ask, django_assert_num_queries: Any) -> None:
    for number in range(5):
        ask(f"model-{number}:1b")
    with django_assert_num_queries(1):
        assert {pull["node"] for pull in queries.pulls(now=timezone.now())} == {"gpu-a"}


def test_an_old_pull_is_still_found_by_its_task(ask: Ask) -> None:
    task = ask("old:1b", status="completed", ended_at=timezone.now() - timedelta(days=9))
    found = queries.pull_of(task.pk)
    assert found is not None
    assert (found["task_id"], found["model"], found["percent"]) == (task.pk, "old:1b", 100.0)


@pytest.mark.parametrize(
    ("status", "attempt", "percent", "words"),
    [
        ("running", 7, 60.0, "3 GB of 5 GB"),
        ("running", 6, 40.0, "2.0 GB of 5.0 GB"),
        ("pending", 7, 40.0, "2.0 GB of 5.0 GB"),
    ],
)
def test_the_present_attempt_is_fresher_than_what_is_written_down_and_no_other(
    ask: Ask, status: str, attempt: int, percent: float, words: str
) -> None:
    task = ask("qwen3:8b", status=status, attempt_id=7)
    Pull.objects.update(done_bytes=2_000_000_000, total_bytes=5_000_000_000)
    told(task, attempt_id=attempt)
    found = queries.pull_of(task.pk)
    assert found is not None
    assert (found["percent"], found["words"]) == (percent, words)


def test_a_size_is_that_of_what_is_installed_and_else_of_the_catalogue(node: Node) -> None:
    assert queries.expected_bytes("llama3.2") == 2_000_000_000
    OllamaModel.objects.filter(name=HERE).update(size_bytes=0)
    bundled = queries.expected_bytes("llama3.2")
    assert bundled is not None
    assert bundled > 1_000_000_000
    NodeModel.objects.all().delete()
    OllamaModel.objects.all().delete()
    assert queries.expected_bytes("llama3.2:latest") == bundled
    assert queries.expected_bytes("hf.co/org/nobody-knows-it") is None


@pytest.mark.django_db
def test_names_that_may_have_been_meant_can_be_pulled() -> None:
    found = queries.names_like("lama3.2")
    assert found[0] == HERE
    assert all(queries.expected_bytes(name) for name in found)
