"""A run again from one of its steps: what stands before it is taken over, what builds on it runs anew."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orchestration.errors import NotFound, Unprocessable
from orchestration.models import Agent, Document, Node, Run, Task
from orchestration.permissions import Actor
from orchestration.policy.states import RunKind
from orchestration.services import attempts, reruns, steps
from orchestration.services.specs import TaskSpec
from orchestration.services.submission import RunPlan, submit_run
from tests.services.conftest import Give, result


@pytest.fixture
def done(agent: Agent, node: Node, as_bob: Actor, begin: Give) -> Run:
    """plan -> (code, docs) -> last, all completed with their own name as the answer."""

    def spec(name: str, text: str, needs: list[int], names: dict[str, int]) -> TaskSpec:
        template = {"input": text, "names": names} if names else None
        return TaskSpec(type="generate", step=name, input=text, needs=needs, template=template)

    specs = [
        spec("plan", "plan it", [], {}),
        spec("code", "code {{plan}}", [0], {"plan": 0}),
        spec("docs", "docs {{plan}}", [0], {"plan": 0}),
        spec("last", "{{code}} {{docs}}", [1, 2], {"code": 1, "docs": 2}),
    ]
    run = submit_run(actor=as_bob, agent=agent, specs=specs, plan=RunPlan(kind=RunKind.WORKFLOW, title="Site"))
    for task in run.tasks.order_by("position"):
        steps.promote(now=timezone.now())
        job = begin(Task.objects.get(pk=task.pk))
        attempts.complete(attempt_id=job.attempt_id, token=job.token, result=result(output=f"<{task.step}>"))
    steps.promote(now=timezone.now())
    return run


def _of(run: Run) -> dict[str, Any]:
    return {task.step: (task.status, task.output) for task in run.tasks.order_by("position")}


def test_what_builds_on_the_step_runs_again(done: Run, as_bob: Actor, begin: Give) -> None:
    new = reruns.rerun_from(actor=as_bob, run_id=done.pk, step="code")
    assert _of(new) == {
        "plan": ("completed", "<plan>"),
        "code": ("pending", ""),
        "docs": ("completed", "<docs>"),
        "last": ("blocked", ""),
    }
    code = new.tasks.get(step="code")
    assert code.input == "code <plan>"
    job = begin(code)
    attempts.complete(attempt_id=job.attempt_id, token=job.token, result=result(output="<new>"))
    steps.promote(now=timezone.now())
    assert new.tasks.get(step="last").input == "<new> <docs>"
    assert _of(done)["last"] == ("completed", "<last>")
    assert (new.rerun_of, new.title) == (done, "Site")


def test_a_step_may_be_named_by_its_number(done: Run, as_bob: Actor) -> None:
    new = reruns.rerun_from(actor=as_bob, run_id=done.pk, step="1")
    assert [task.status for task in new.tasks.order_by("position")] == ["pending", "blocked", "blocked", "blocked"]


def test_what_is_taken_over_counts_no_tokens_twice(done: Run, as_bob: Actor) -> None:
    plan = reruns.rerun_from(actor=as_bob, run_id=done.pk, step="last").tasks.get(step="plan")
    assert (plan.output_tokens, plan.decode_seconds, plan.retried_from) == (None, None, done.tasks.get(step="plan"))


def test_an_unknown_step_is_named_with_those_there_are(done: Run, as_bob: Actor) -> None:
    with pytest.raises(NotFound, match="Its steps are plan, code, docs, last"):
        reruns.rerun_from(actor=as_bob, run_id=done.pk, step="nobody")
    with pytest.raises(NotFound):
        reruns.rerun_from(actor=as_bob, run_id=999, step="plan")


def test_a_single_task_has_no_steps(submit: Callable[..., Run], as_bob: Actor) -> None:
    with pytest.raises(Unprocessable):
        reruns.rerun_from(actor=as_bob, run_id=submit("one").pk, step="1")


@pytest.mark.parametrize("kind", [RunKind.BATCH, RunKind.BENCHMARK, RunKind.COMPARISON, RunKind.CONVERSATION])
def test_only_runs_of_steps_run_again_from_one_of_them(kind: RunKind, done: Run, as_bob: Actor) -> None:
    """A benchmark would measure what others measure too; a turn would belong to no conversation."""
    Run.objects.filter(pk=done.pk).update(kind=kind)
    with pytest.raises(Unprocessable):
        reruns.rerun_from(actor=as_bob, run_id=done.pk, step="code")


def test_a_number_counts_the_steps_as_they_are_written(done: Run, as_bob: Actor) -> None:
    names = ["last", "code", "docs", "plan"]
    Run.objects.filter(pk=done.pk).update(spec={"steps": [{"name": name} for name in names]})
    new = reruns.rerun_from(actor=as_bob, run_id=done.pk, step="1")
    assert [task.status for task in new.tasks.order_by("position")] == ["completed"] * 3 + ["pending"]


def test_the_documents_of_steps_stay_theirs(done: Run, as_bob: Actor) -> None:
    paper = Document.objects.create(name="a.txt", media_type="text/plain", size_bytes=1, sha256="0" * 64, text="a")
    done.tasks.get(step="code").documents.add(paper)
    new = reruns.rerun_from(actor=as_bob, run_id=done.pk, step="docs")
    assert [list(task.documents.all()) for task in new.tasks.order_by("position")] == [[], [paper], [], []]


def test_copying_many_tasks_takes_few_statements(done: Run, as_bob: Actor) -> None:
    step = done.tasks.get(step="plan")
    fields = {field.name: getattr(step, field.name) for field in Task._meta.concrete_fields if field.name != "id"}
    Task.objects.bulk_create([Task(**{**fields, "parent": step, "step": f"plan[{n}]"}) for n in range(200)])
    with CaptureQueriesContext(connection) as asked:
        new = reruns.rerun_from(actor=as_bob, run_id=done.pk, step="code")
    assert len(asked) < 100
    assert new.tasks.filter(parent__step="plan", parent__run=new, status="completed").count() == 200
