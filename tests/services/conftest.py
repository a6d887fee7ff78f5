"""Tasks brought to a given point of their life, by the same services that bring them there in earnest."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from orchestration.models import Agent, Lane, Node, Output, Run, Task, User
from orchestration.ollama.wire import Metrics
from orchestration.permissions import Actor, Role
from orchestration.policy.decision import Grant
from orchestration.policy.states import RunKind, TaskStatus
from orchestration.queue import AttemptJob
from orchestration.services import attempts, grants
from orchestration.services.attempts import AttemptResult
from orchestration.services.specs import TaskSpec
from orchestration.services.submission import RunPlan, submit_run
from tests.services.cleaning import NOW, EndedTask

MODEL = "llama3.2:latest"
Give = Callable[..., AttemptJob]
Answer = Callable[[Task, str], None]


@pytest.fixture(autouse=True)
def _events(redis_server: object) -> None:
    """Services announce what they did; there is somebody to hear it."""


def grant_for(task: Task, node: Node, *, slot: int = 0, **fields: Any) -> Grant:
    kept = {"model": MODEL, "num_ctx": 4096, "reason": "a free slot"}
    return Grant(task_id=task.pk, node_id=node.pk, slot=slot, **{**kept, **fields})


def result(**fields: Any) -> AttemptResult:
    second = timedelta(seconds=1)
    metrics = Metrics(
        total=4 * second, load=second, prefill=second / 2, decode=2 * second, prompt_tokens=12, output_tokens=90
    )
    return AttemptResult(**{"output": "A river.", "metrics": metrics, "request": {"model": MODEL}, **fields})


@pytest.fixture
def give(node: Node) -> Give:
    """Gives a waiting task the next free slot of the node."""

    def assign(task: Task) -> AttemptJob:
        slot = node.attempts.filter(ended_at=None).count()
        (job,) = grants.assign(grants=[grant_for(task, node, slot=slot)], now=timezone.now())
        return job

    return assign


@pytest.fixture
def begin(give: Give) -> Give:
    """Lets a worker start a waiting task."""

    def run(task: Task) -> AttemptJob:
        job = give(task)
        assert attempts.start(attempt_id=job.attempt_id, token=job.token, worker="worker-1") is not None
        return job

    return run


@pytest.fixture
def complete(begin: Give) -> Callable[[Task], None]:
    def run(task: Task) -> None:
        job = begin(task)
        assert attempts.complete(attempt_id=job.attempt_id, token=job.token, result=result())

    return run


@pytest.fixture
def answer(begin: Give) -> Answer:
    def run(task: Task, output: str) -> None:
        job = begin(task)
        assert attempts.complete(attempt_id=job.attempt_id, token=job.token, result=result(output=output))

    return run


@pytest.fixture
def workflow(agent: Agent, node: Node, as_bob: Actor) -> Callable[..., list[Task]]:
    """Steps given as (name, prompt, fields); ``template`` gets the prompt."""

    def make(*given: tuple[str, str, dict[str, Any]], inputs: dict[str, Any] | None = None, **plan: Any) -> list[Task]:
        specs = [
            TaskSpec(
                type="generate",
                step=name,
                input=text,
                needs=fields.get("needs", ()),
                after=fields.get("after", ()),
                template={"input": text, **fields["template"]} if "template" in fields else None,
            )
            for name, text, fields in given
        ]
        run_plan = RunPlan(kind=RunKind.WORKFLOW, inputs=inputs or {}, **plan)
        run = submit_run(actor=as_bob, agent=agent, specs=specs, plan=run_plan)
        return list(run.tasks.order_by("position"))

    return make


@pytest.fixture
def maintainer(as_alice: Actor) -> Actor:
    return replace(as_alice, role=Role.MAINTAINER)


@pytest.fixture
def ended_task(agent: Agent, bob: User) -> EndedTask:
    """A task that ended so many days ago, in a run of its own unless told otherwise."""
    lane = Lane.objects.create(key="k", models=["llama3.2:latest"], num_ctx=4096)

    def make_task(days: float, status: str = "completed", **fields: Any) -> Task:
        owner = fields.get("agent", agent)
        name = owner.name if owner else "gone"
        run = fields.pop("run", None) or Run.objects.create(kind="single", owner=bob, agent_name=name, title="A river")
        at = NOW - timedelta(days=days)
        kept = {"run": run, "owner": bob, "agent": agent, "agent_name": name, "lane": lane, "type": "generate"}
        said = {"title": "Name a river", "input": "Name a river.", "output": "The Elbe." * (status == "completed")}
        ended = {"ended_at": at if status in ("completed", "failed", "cancelled") else None}
        task = Task.objects.create(status=TaskStatus(status), **{**kept, **said, **ended, "output_tokens": 5, **fields})
        if status == "completed":
            Output.objects.create(task=task, agent_name=name, type="generate", ended_at=at)
        return task

    return make_task
