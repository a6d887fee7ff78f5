"""A benchmark brought to its end by the services that bring it there in earnest, with figures that a test chooses."""

from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone

from orchestration.models import Node, Run, Task
from orchestration.ollama.wire import Metrics
from orchestration.policy.states import ENDED, TaskStatus
from orchestration.services import attempts, grants, steps

from .conftest import grant_for, result

SECOND = timedelta(seconds=1)


def metrics(**fields: object) -> Metrics:
    """90 tokens written in 2 s after 12 tokens read in half a second."""
    whole = {"load": SECOND / 100, "prefill": SECOND / 2, "decode": 2 * SECOND, "prompt_tokens": 12}
    whole |= {"output_tokens": 90, **fields}
    total = whole["load"] + whole["prefill"] + whole["decode"]
    return Metrics(**{"total": total, **whole})


def finish(run: Run, *, told: Callable[[Task], Metrics] = lambda task: metrics()) -> list[list[Task]]:
    """Runs what can start, all of it at once, again and again. What ran together, in order."""
    together = []
    for _ in range(1000):
        steps.promote(now=timezone.now())
        pending = list(run.tasks.filter(status=TaskStatus.PENDING).select_related("lane__node").order_by("position"))
        if not pending:
            break
        together.append(pending)
        for job, task in [(_begin(task, slot), task) for slot, task in enumerate(pending)]:
            _end(job, task, told(task))
    assert not run.tasks.exclude(status__in=ENDED).exists()
    return together


def _begin(task: Task, slot: int) -> object:
    node = task.lane.node or Node.objects.get()
    fields = {"model": task.model_name, "num_ctx": task.lane.num_ctx}
    (job,) = grants.assign(grants=[grant_for(task, node, slot=slot, **fields)], now=timezone.now())
    assert attempts.start(attempt_id=job.attempt_id, token=job.token, worker="w", now=timezone.now())
    return job


def _end(job: object, task: Task, told: Metrics) -> None:
    """As long after its start as its figures say."""
    started = Task.objects.get(pk=task.pk).started_at
    assert started is not None
    first = started + told.load + told.prefill
    done = attempts.complete(
        attempt_id=job.attempt_id,
        token=job.token,
        result=result(metrics=told, first_token_at=first, output=f"By {task.model_name}."),
        now=started + told.total,
    )
    assert done
