"""Reads of workflows: by id or name, differences, latest runs, and a run with its steps in the order given."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from orchestration.errors import NotFound
from orchestration.models import Run, Task, Workflow
from orchestration.permissions import Actor
from orchestration.policy.states import TaskStatus
from orchestration.queries import workflows as queries
from orchestration.services import steps, workflows
from orchestration.services.workflows import Asked

pytestmark = pytest.mark.usefixtures("redis_server", "node", "agent")

STEPS = [{"name": "late", "input": "{{early}}"}, {"name": "early", "input": "Begin."}]


def definition(**fields: Any) -> dict[str, Any]:
    return {"name": "site", "agent": "writer", "steps": STEPS, **fields}


@pytest.fixture
def saved(as_bob: Actor) -> Workflow:
    return workflows.create(actor=as_bob, definition=definition())


@pytest.fixture
def run(as_bob: Actor, saved: Workflow) -> Run:
    return workflows.run_saved(actor=as_bob, workflow_id=saved.pk, asked=Asked())


def end(run: Run, name: str, status: TaskStatus = TaskStatus.COMPLETED, **fields: Any) -> None:
    task = Task.objects.get(run=run, step=name)
    Task.objects.transition(task.pk, TaskStatus.ASSIGNED)
    Task.objects.transition(task.pk, TaskStatus.RUNNING, started_at=timezone.now())
    Task.objects.transition(task.pk, status, ended_at=timezone.now(), **fields)
    steps.promote(now=timezone.now())


def test_a_workflow_is_found_by_id_and_by_name(saved: Workflow) -> None:
    assert queries.get_workflow(saved.pk) == queries.get_workflow("site") == saved
    with pytest.raises(NotFound, match="Did you mean site"):
        queries.get_workflow("sight")


def test_two_versions_differ_in_lines_of_yaml(saved: Workflow, as_bob: Actor) -> None:
    workflows.update(actor=as_bob, workflow_id=saved.pk, definition=definition(description="New"))
    saved.refresh_from_db()
    lines = queries.difference(saved, 1, 2).splitlines()
    assert lines[:2] == ["--- version 1", "+++ version 2"]
    assert "+description: New" in lines
    assert queries.difference(saved, 2, 2) == ""


def test_steps_come_in_the_order_given_though_they_run_in_another(run: Run) -> None:
    end(run, "early", output="so")
    found = queries.run_of_workflow(run.pk)
    assert [(each["name"], each["depends_on"], each["input"]) for each in found["steps"]] == [
        ("late", ["early"], "so"),
        ("early", [], "Begin."),
    ]
    assert (found["version"], found["success"], found["error"]) == (1, None, None)


def test_a_failed_run_names_its_step(run: Run) -> None:
    end(run, "early", TaskStatus.FAILED, error="no memory")
    found = queries.run_of_workflow(run.pk)
    assert (found["status"], found["success"], found["error"]) == ("failed", False, "Step early failed: no memory")
    assert [each["success"] for each in found["steps"]] == [False, False]


def test_a_run_of_another_kind_is_none_of_a_workflow(submit: Callable[..., Run]) -> None:
    with pytest.raises(NotFound):
        queries.run_of_workflow(submit("Hello").pk)


def test_the_latest_runs_tell_how_they_ended_and_how_long_they_took(run: Run, saved: Workflow, as_bob: Actor) -> None:
    end(run, "early")
    end(run, "late")
    workflows.run_saved(actor=as_bob, workflow_id=saved.pk, asked=Asked())
    first, second = queries.latest_runs([saved.pk])[saved.pk]
    assert (first["id"], first["status"], second["status"]) == (run.pk, "completed", "pending")
    assert first["seconds"] is not None
    assert second["seconds"] is None


def test_items_of_a_fan_out_are_counted(as_bob: Actor) -> None:
    each = {"name": "each", "input": "{{item}}", "for_each": "{{input.list}}"}
    asked = Asked(inputs={"list": ["a", "b", "c"]})
    run = workflows.run_once(actor=as_bob, definition=definition(steps=[each]), asked=asked)
    end(run, "each[1]")
    end(run, "each[2]", TaskStatus.FAILED)
    (told,) = queries.run_of_workflow(run.pk)["steps"]
    assert told["items"] == {"total": 3, "completed": 1, "failed": 1}
