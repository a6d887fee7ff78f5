"""People, the scheduler and workers at the same run in the same moment: whoever is first, no task is left behind."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from orchestration.errors import Refused
from orchestration.models import Agent, Node, Run, Task
from orchestration.permissions import Actor
from orchestration.policy.states import UNFINISHED, RunKind
from orchestration.services import runs, setbacks, steps, tasks
from orchestration.services.specs import TaskSpec
from orchestration.services.submission import RunPlan, submit_run
from tests.services.conftest import Answer, Give

Work = Callable[[], object]
pytestmark = pytest.mark.django_db(transaction=True)


def _at_once(first: Work, second: Work) -> None:
    """The second begins while the first has done all but its commit; SQLite has one writer at a time."""
    if connection.vendor == "sqlite":
        first(), second()
        return
    faults: list[BaseException] = []
    other = threading.Thread(target=_in_thread, args=(second, faults))
    with transaction.atomic():
        first()
        other.start()
        _wait_until_it_waits(other)
    other.join(timeout=30)
    assert not faults


def _in_thread(work: Work, faults: list[BaseException]) -> None:
    try:
        work()
    except BaseException as fault:
        faults.append(fault)
    finally:
        connection.close()


def _wait_until_it_waits(thread: threading.Thread) -> None:
    pause = threading.Event()
    for _ in range(400):
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone() != (0,) or not thread.is_alive():
                return
        pause.wait(0.02)


def _promote() -> int:
    return steps.promote(now=timezone.now())


def _statuses(run: Run) -> list[str]:
    return list(run.tasks.order_by("position", "pk").values_list("status", flat=True))


def _fail(begin: Give, task: Task) -> None:
    job = begin(task)
    setbacks.fail(attempt_id=job.attempt_id, token=job.token, error=Refused("bad option", status=400))


@pytest.fixture
def batch(agent: Agent, node: Node, as_bob: Actor) -> Callable[..., Run]:
    def make(count: int, **plan: Any) -> Run:
        specs = [TaskSpec(type="generate", input=f"row {number}") for number in range(count)]
        return submit_run(actor=as_bob, agent=agent, specs=specs, plan=RunPlan(kind=RunKind.BATCH, **plan))

    return make


@pytest.mark.parametrize("template", [{}, {"template": {"names": {"one": 0}}}])
def test_a_step_that_becomes_ready_while_its_run_is_resumed_starts(
    template: dict[str, Any], workflow: Any, answer: Answer, as_bob: Actor
) -> None:
    one, two = workflow(("one", "x", {}), ("two", "{{one}}", {"needs": [0], **template}))
    answer(one, "y")
    runs.pause(actor=as_bob, run_id=one.run_id)
    _at_once(_promote, lambda: runs.resume(actor=as_bob, run_id=one.run_id))
    assert Task.objects.get(pk=two.pk).status == "pending"


def test_a_run_that_is_done_again_while_limits_are_kept_keeps_its_own(
    batch: Callable[..., Run], begin: Give, as_bob: Actor
) -> None:
    run = batch(1, max_parallel=1)
    _fail(begin, run.tasks.get())
    _at_once(
        lambda: runs.retry_failed(actor=as_bob, run_id=run.pk),
        lambda: runs.keep_limits(now=timezone.now()),
    )
    run.refresh_from_db()
    assert run.watched is True


def test_a_run_that_is_resumed_while_limits_are_kept_is_not_held_again(
    batch: Callable[..., Run], begin: Give, as_bob: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = batch(1)
    job = begin(run.tasks.get())
    runs.pause(actor=as_bob, run_id=run.pk)
    setbacks.give_back(attempt_id=job.attempt_id, token=job.token, reason="the worker stops")
    count = runs._counts

    def slow(of: Any) -> Any:
        found = count(of)
        if Run.objects.filter(pk=run.pk).exclude(paused_at=None).exists():
            runs.resume(actor=as_bob, run_id=run.pk)
        return found

    monkeypatch.setattr(runs, "_counts", slow)
    runs.keep_limits(now=timezone.now())
    assert _statuses(run) == ["pending"]


def test_a_task_that_is_retried_while_its_run_is_resumed_starts(
    batch: Callable[..., Run], begin: Give, as_bob: Actor
) -> None:
    run = batch(2)
    failed = run.tasks.order_by("pk").first()
    assert failed
    _fail(begin, failed)
    runs.pause(actor=as_bob, run_id=run.pk)
    _at_once(
        lambda: runs.resume(actor=as_bob, run_id=run.pk),
        lambda: tasks.retry(actor=as_bob, task_id=failed.pk),
    )
    assert _statuses(run) == ["pending", "pending"]


def _fan() -> tuple[tuple[str, str, dict[str, Any]], ...]:
    template = {"names": {"list": 0}, "for_each": "{{list}}"}
    return ("list", "x", {}), ("each", "{{item}}", {"needs": [0], "template": template})


def test_a_run_is_cancelled_with_the_items_that_are_just_being_made(
    workflow: Any, answer: Answer, as_bob: Actor
) -> None:
    first, _ = workflow(*_fan())
    answer(first, "[1, 2]")
    _at_once(_promote, lambda: runs.cancel(actor=as_bob, run_id=first.run_id))
    assert not Task.objects.filter(run=first.run_id, status__in=UNFINISHED).exists()


def test_a_step_that_is_just_being_cancelled_makes_no_items(workflow: Any, answer: Answer, as_bob: Actor) -> None:
    first, each = workflow(*_fan())
    answer(first, "[1, 2]")
    _at_once(lambda: tasks.cancel(actor=as_bob, task_id=each.pk), _promote)
    assert not each.items.exists()
