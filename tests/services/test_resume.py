"""Doing again what failed, and only that."""

from collections.abc import Callable
from typing import Any

from django.utils import timezone

from orchestration.errors import Refused
from orchestration.models import Run, Task
from orchestration.services import setbacks, steps
from orchestration.services.resume import AS_NEW, put_back
from tests.services.conftest import Give


def _fail(begin: Give, task: Task) -> None:
    job = begin(task)
    setbacks.fail(attempt_id=job.attempt_id, token=job.token, error=Refused("bad option", status=400))


def test_only_what_failed_or_was_cancelled_is_put_back(submit: Callable[..., Run], begin: Give) -> None:
    run = submit("one", "two", "three")
    one, two, _ = run.tasks.order_by("pk")
    _fail(begin, one)
    begin(two)
    assert put_back(run, list(run.tasks.values_list("pk", flat=True)), timezone.now()) == {one.pk}
    assert list(run.tasks.order_by("pk").values_list("status", flat=True)) == ["pending", "running", "pending"]


def test_tasks_of_other_runs_stay(submit: Callable[..., Run], begin: Give) -> None:
    run, other = submit("one"), submit("two")
    _fail(begin, other.tasks.get())
    assert put_back(run, [other.tasks.get().pk], timezone.now()) == set()


def test_steps_wait_again_for_the_one_that_failed(submit: Callable[..., Run], begin: Give) -> None:
    run = submit("one", "two", "three", sequential=True)
    one, *_ = run.tasks.order_by("position")
    _fail(begin, one)
    steps.promote(now=timezone.now())
    put_back(run, list(run.tasks.values_list("pk", flat=True)), timezone.now())
    assert list(run.tasks.order_by("position").values_list("status", "awaited")) == [
        ("pending", True),
        ("blocked", True),
        ("blocked", False),
    ]


def test_everything_an_attempt_left_behind_is_forgotten() -> None:
    stays = {"output_tokens", "error", "output", "vectors", "node_name", "cancel_requested_at", "skipped_because"}
    assert stays <= AS_NEW.keys()


def test_a_step_that_could_not_be_filled_in_is_not_sent_as_a_template(workflow: Any) -> None:
    (step,) = workflow(
        ("each", "{{item}}", {"template": {"names": {}, "for_each": "{{input.list}}", "most": 1}}),
        inputs={"list": [1, 2]},
    )
    assert step.status == "failed"
    put_back(step.run, [step.pk], timezone.now())
    assert (Task.objects.get(pk=step.pk).status, step.items.count()) == ("failed", 0)


def test_what_was_filled_in_once_is_done_again_as_it_was(workflow: Any, begin: Give) -> None:
    (step,) = workflow(("a", "{{input.x}}", {"template": {"names": {}}}), inputs={"x": "y"})
    _fail(begin, step)
    put_back(step.run, [step.pk], timezone.now())
    again = Task.objects.get(pk=step.pk)
    assert (again.status, again.input) == ("pending", "y")
