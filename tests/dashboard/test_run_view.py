"""A run as its page shows it: which step is looked at, what each box says, what is broken."""

import pytest
from django.utils import timezone

from dashboard.run_view import RunView, run_view
from orchestration.models import Run, Task
from orchestration.permissions import Actor
from orchestration.policy.states import TaskStatus
from orchestration.services import steps, workflows
from orchestration.services.workflows import Asked

pytestmark = pytest.mark.usefixtures("redis_server", "node", "agent")

STEPS = [
    {"name": "plan", "input": "Plan."},
    {"name": "left", "input": "{{plan}}"},
    {"name": "right", "input": "{{plan}}"},
    {"name": "end", "input": "{{left}}"},
]


@pytest.fixture
def run(as_bob: Actor) -> Run:
    definition = {"name": "x", "agent": "writer", "steps": STEPS}
    return workflows.run_once(actor=as_bob, definition=definition, asked=Asked())


def view(run: Run, chosen: str = "") -> RunView:
    return run_view(run, chosen, timezone.now())


def end(run: Run, name: str, status: TaskStatus = TaskStatus.COMPLETED) -> None:
    task = Task.objects.get(run=run, step=name)
    Task.objects.transition(task.pk, TaskStatus.ASSIGNED)
    Task.objects.transition(task.pk, TaskStatus.RUNNING, started_at=timezone.now(), model_used="m", node_name="gpu-a")
    Task.objects.transition(task.pk, status, ended_at=timezone.now())
    steps.promote(now=timezone.now())


def test_the_step_looked_at_is_the_one_asked_for_else_the_one_that_matters(run: Run) -> None:
    def chosen(name: str = "") -> str:
        found = view(run, name).chosen
        return found.name if found else ""

    assert chosen("right") == "right"
    assert chosen("nonsense") == "plan"
    end(run, "plan")
    assert chosen() == "left"
    end(run, "right", TaskStatus.FAILED)
    assert chosen() == "right"


def test_a_box_says_where_and_how_long(run: Run) -> None:
    end(run, "plan")
    plan, left, *_ = view(run).steps
    assert (plan.state, plan.where, plan.since) == ("completed", "m @ gpu-a", None)
    assert plan.seconds is not None
    assert (left.state, left.seconds, left.needs) == ("waiting", None, ["plan"])
    assert plan.box is not None
    assert left.box is not None
    assert plan.box.x < left.box.x


def test_what_failed_and_what_was_not_started_because_of_it_is_broken(run: Run) -> None:
    end(run, "plan")
    end(run, "left", TaskStatus.FAILED)
    assert view(run).broken == {"left", "end"}


def test_steps_without_a_name_are_counted(submit) -> None:  # type: ignore[no-untyped-def]
    shown = view(submit("One.", "Two.", sequential=True), "step2")
    assert [each.name for each in shown.steps] == ["step1", "step2"]
    assert shown.chosen is shown.steps[1]
