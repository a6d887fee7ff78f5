"""A load that fails costs those who waited for it a try, in the order of the line."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from orchestration.errors import Refused
from orchestration.models import Agent, Attempt, Lane, Node, NodeModel, Task
from orchestration.permissions import Actor
from orchestration.services import load_failures, pauses
from orchestration.services.load_failures import load_failed
from tests.services.conftest import MODEL, Give

OOM = Refused("llama-server reported out-of-memory during startup", status=500)


def _lanes() -> list[int]:
    return list(Lane.objects.values_list("pk", flat=True))


def _fail(node: Node, error: Refused = OOM) -> int:
    return load_failed(lane_ids=_lanes(), node_id=node.pk, model_name=MODEL, error=error, now=timezone.now())


def test_the_tasks_back_off_and_each_has_an_attempt_that_says_why(submit: Any, node: Node, settings: Any) -> None:
    settings.DROVER_RETRY_DELAY = timedelta(seconds=5)
    submit("one", "two")
    assert _fail(node) == 2
    for task in Task.objects.all():
        attempt = Attempt.objects.get(task=task)
        assert (task.status, task.tries, task.attempt_count) == ("pending", 1, 1)
        assert (task.attempt_id, task.not_before) == (attempt.pk, attempt.retry_at)
        assert (task.error_code, task.error, task.version) == ("refused", OOM.message, 1)
        assert (attempt.status, attempt.number, attempt.node_name, attempt.model_name) == ("failed", 1, "gpu-a", MODEL)
        assert (attempt.error_code, attempt.counts_as_try, attempt.settled) == ("refused", True, True)
        assert attempt.ended_at is not None
        assert attempt.follow_up.startswith("Tried again after ")


def test_another_node_is_preferred_where_one_has_the_model(
    submit: Any, node: Node, make_node: Callable[..., Node]
) -> None:
    submit("one")
    _fail(node)
    assert Task.objects.get().node_id is None
    make_node("gpu-b")
    Task.objects.update(not_before=None)
    _fail(node)
    assert Task.objects.get().node_id == node.pk


def test_the_last_try_fails_the_task_with_the_words_of_the_load(submit: Any, node: Node) -> None:
    Agent.objects.update(max_tries=1)
    submit("one")
    _fail(node)
    task = Task.objects.get()
    assert (task.status, task.error, task.tries, task.attempt_count) == ("failed", OOM.message, 1, 1)
    assert task.ended_at is not None
    assert Attempt.objects.get().follow_up == "Not tried again: this was try 1 of 1"


def test_a_model_that_is_gone_from_its_only_node_fails_the_tasks(submit: Any, node: Node) -> None:
    submit("one")
    _fail(node, Refused("model 'llama3.2' not found", status=404))
    assert Task.objects.get().status == "failed"
    assert not NodeModel.objects.filter(installed=True).exists()


def test_the_first_in_the_line_are_charged_and_no_more(
    submit: Any, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_failures, "CHARGED", 2)
    submit("one", "two")
    submit("high", priority=0)
    assert _fail(node) == 2
    assert set(Task.objects.filter(tries=1).values_list("title", flat=True)) == {"high", "one"}


def test_tasks_that_run_or_back_off_or_wait_in_other_lanes_are_left_alone(submit: Any, begin: Give, node: Node) -> None:
    running, backing_off = submit("one", "two").tasks.order_by("pk")
    begin(running)
    Task.objects.filter(pk=backing_off.pk).update(not_before=timezone.now() + timedelta(minutes=1))
    submit("three")
    assert _fail(node) == 1
    assert load_failed(lane_ids=[0], node_id=node.pk, model_name=MODEL, error=OOM, now=timezone.now()) == 0
    assert list(Task.objects.filter(tries=1).values_list("title", flat=True)) == ["three"]


def test_what_is_paused_keeps_its_tries(
    submit: Any, node: Node, make_agent: Callable[..., Agent], as_alice: Actor
) -> None:
    pauses.pause(actor=as_alice, kind="priority", key="low")
    pauses.pause(actor=as_alice, kind="agent", key=str(make_agent("resting").pk))
    submit("low", priority=2)
    submit("resting", agent=Agent.objects.get(name="resting"))
    submit("normal")
    assert _fail(node) == 1
    assert list(Task.objects.filter(tries=1).values_list("title", flat=True)) == ["normal"]
