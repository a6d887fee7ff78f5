"""Daily sums: every attempt in them once, whatever became of it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from orchestration.errors import Unreachable
from orchestration.models import Attempt, Node, Run, Task, UsageDay, User
from orchestration.policy.states import TaskStatus
from orchestration.queue import AttemptJob
from orchestration.services import attempts, learning, setbacks, tasks
from orchestration.services.ended import unsettled
from orchestration.services.usage import count
from tests.services.conftest import MODEL, Give


def failed(job: AttemptJob) -> None:
    setbacks.fail(attempt_id=job.attempt_id, token=job.token, error=Unreachable("gpu-a is away"))


def test_what_completed_is_added_up_by_who_asked_whom_for_what_and_where(
    complete: Callable[[Task], None], submit: Callable[..., Run], bob: User
) -> None:
    for task in submit("1", "2", "3").tasks.all():
        complete(task)
    learning.settle()
    row = UsageDay.objects.get()
    assert (row.share, row.agent_name, row.model_name, row.node_name) == (bob.pk, "writer", MODEL, "gpu-a")
    assert (row.type, row.completed, row.failed, row.failed_tries) == ("generate", 3, 0, 0)
    assert (row.prompt_tokens, row.output_tokens) == (36, 270)
    assert (row.load_seconds, row.prefill_seconds, row.decode_seconds) == (3.0, 1.5, 6.0)


def test_an_attempt_is_counted_once_however_often_is_settled(
    complete: Callable[[Task], None], submit: Callable[..., Run]
) -> None:
    first, second = submit("1", "2").tasks.all()
    complete(first)
    learning.settle()
    learning.settle()
    complete(second)
    learning.settle()
    assert UsageDay.objects.get().completed == 2


def test_the_day_is_that_of_the_end_in_utc(complete: Callable[[Task], None], submit: Callable[..., Run]) -> None:
    for task in submit("1", "2").tasks.all():
        complete(task)
    late, early = datetime(2026, 3, 1, 23, 59, tzinfo=UTC), datetime(2026, 3, 2, 0, 1, tzinfo=UTC)
    for attempt, at in zip(Attempt.objects.all(), (late, early), strict=True):
        Attempt.objects.filter(pk=attempt.pk).update(ended_at=at)
    learning.settle()
    assert sorted(str(row.day) for row in UsageDay.objects.all()) == ["2026-03-01", "2026-03-02"]


def test_a_try_that_is_made_again_is_no_failed_task_and_its_seconds_are_kept_apart(
    begin: Give, submitted_task: Task
) -> None:
    job = begin(submitted_task)
    began = Attempt.objects.get().started_at
    assert began is not None
    failed(job)
    Attempt.objects.update(ended_at=began + timedelta(seconds=7))
    learning.settle()
    row = UsageDay.objects.get()
    assert (row.completed, row.failed, row.failed_tries) == (0, 0, 1)
    assert (row.broken_seconds, row.decode_seconds, row.run_seconds) == (7.0, 0.0, 0.0)


def test_the_last_try_of_a_task_makes_it_a_failed_one(begin: Give, submitted_task: Task) -> None:
    Task.objects.update(max_tries=1, own_max_tries=1)
    failed(begin(submitted_task))
    assert Task.objects.get().status == TaskStatus.FAILED
    learning.settle()
    row = UsageDay.objects.get()
    assert (row.failed, row.failed_tries) == (1, 1)


def test_what_was_cancelled_counts_as_such(begin: Give, submitted_task: Task, as_bob: object) -> None:
    job = begin(submitted_task)
    tasks.cancel(actor=as_bob, task_id=submitted_task.pk)  # type: ignore[arg-type]
    attempts.cancelled(attempt_id=job.attempt_id, token=job.token)
    learning.settle()
    assert UsageDay.objects.get().cancelled_tries == 1


def test_errands_have_no_part_in_it(complete: Callable[[Task], None], submitted_task: Task, node: Node) -> None:
    complete(submitted_task)
    Attempt.objects.update(num_ctx=0)
    count(unsettled(10))
    assert not UsageDay.objects.exists()
