"""Every waiting task says why it waits, in a handful of queries."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from orchestration.models import Agent, Attempt, Lane, Node, Pause, Run, Task, TaskDependency, User
from orchestration.payloads import Wait, stamp
from orchestration.policy.states import Gate
from orchestration.queries import get_task, waits
from tests.queries.conftest import Make


def _wait(task: Task, **fields: Any) -> Wait | None:
    return waits([get_task(task.pk)], **fields).get(task.pk)


def _reason(task: Task, **fields: Any) -> str | None:
    wait = _wait(task, **fields)
    return wait.sentence if wait else None


def _code(task: Task) -> str | None:
    wait = _wait(task)
    return wait.detail["code"] if wait else None


def _says(code: str, words: str, *, at: datetime | None = None, **outlook: Any) -> None:
    """What the scheduler has last stored of the lane."""
    Lane.objects.update(
        waiting_code=code, waiting_reason=words, outlook={"at": stamp(at or timezone.now()), "counts": {}, **outlook}
    )


def _pause(kind: str, key: str, name: str = "ana") -> None:
    Pause.objects.create(kind=kind, key=key, paused_by_name=name, paused_at=timezone.now())


def _in_flight(task: Task, node: Node, number: int = 1) -> None:
    now = timezone.now()
    Attempt.objects.create(
        task=task,
        number=number,
        node=node,
        node_name=node.name,
        model_name="llama3.2:latest",
        num_ctx=4096,
        slot=task.pk % 1000,
        token=f"t{task.pk}",
        queue="normal",
        granted_at=now,
        lease_until=now,
    )


def test_before_the_first_pass_it_waits_for_the_scheduler(make_task: Make) -> None:
    task = make_task()
    assert (_code(task), _reason(task)) == ("undecided", "Waits for the scheduler")


def test_the_reason_of_the_lane_is_the_reason_of_its_tasks_with_a_place_for_each(make_task: Make) -> None:
    first, second = make_task(), make_task()
    _says("busy", "llama3.2:latest busy 4/4 on gpu-a")
    assert _reason(first) == "llama3.2:latest busy 4/4 on gpu-a — next in line"
    assert _reason(second) == "llama3.2:latest busy 4/4 on gpu-a — 2nd in line"


def test_with_a_known_speed_it_says_when(make_task: Make) -> None:
    tasks = [make_task() for _ in range(41)]
    _says("busy", "llama3.2:latest busy 4/4 on gpu-a", next_seconds=3.0, per_second=1.0)
    wait = _wait(tasks[40])
    assert wait is not None
    assert wait.sentence == "llama3.2:latest busy 4/4 on gpu-a — 41st in line, ≈40 s"
    detail = wait.detail
    assert (detail["words"], detail["line"], detail["start"], detail["place"], detail["place_latest"]) == (
        "llama3.2:latest busy 4/4 on gpu-a",
        "41st in line",
        "≈40 s",
        41,
        41,
    )
    assert detail["earliest_seconds"] is not None
    assert detail["latest_seconds"] is not None
    assert 20 < detail["earliest_seconds"] < 40 < detail["latest_seconds"] < 60


def test_a_load_says_how_far_it_is(make_task: Make) -> None:
    now = timezone.now()
    task = make_task()
    since = stamp(now - timedelta(seconds=12))
    load = {"next_seconds": 6.0, "per_second": 0.4, "at_once": 4, "since": since, "expected_seconds": 18.0}
    _says("loading", "qwen3:8b is loading on gpu-b", at=now, **load)
    wait = _wait(task, now=now)
    assert wait is not None
    assert wait.sentence == "qwen3:8b is loading on gpu-b, 12 s of about 18 s — next in line, ≈6 s"
    assert (wait.detail["since"], wait.detail["expected_seconds"]) == (since, 18.0)


def test_an_old_summary_tells_no_time(make_task: Make) -> None:
    task = make_task()
    _says("busy", "busy", at=timezone.now() - timedelta(minutes=1), next_seconds=3.0, per_second=1.0)
    assert _reason(task) == "busy — next in line"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("no_worker", "No worker is running"),
        ("redis_away", "Redis does not answer, so no worker can be told"),
        ("disabled", "Model disabled: llama3.2:latest"),
        ("not_pulled", "Not pulled on any node: llama3.2:latest"),
        ("node_unavailable", "gpu-c offline since 14:02 UTC: connection refused"),
        ("load_failed", "gpu-a could not load llama3.2:latest: out of memory"),
    ],
)
def test_where_waiting_alone_does_not_help_nobody_is_told_a_place(make_task: Make, code: str, words: str) -> None:
    task = make_task()
    _says(code, words)
    assert (_code(task), _reason(task)) == (code, words)


def test_a_task_to_be_tried_again_says_when_and_after_what(make_task: Make) -> None:
    now = timezone.now()
    task = make_task(not_before=now + timedelta(seconds=8), tries=1, error="gpu-a is away\nTraceback …")
    assert _reason(task, now=now) == "Retry 2/3 in 8 s after: gpu-a is away"
    wait = _wait(task, now=now)
    assert wait is not None
    assert (wait.detail["code"], wait.detail["earliest_seconds"]) == ("backing_off", 8.0)
    assert _reason(task, now=now + timedelta(seconds=9)) == "Waits for the scheduler"


def test_a_long_error_is_cut(make_task: Make) -> None:
    now = timezone.now()
    reason = _reason(make_task(not_before=now + timedelta(seconds=8), error="x" * 500), now=now)
    assert reason is not None
    assert len(reason) < 160


def test_a_paused_class_is_the_reason_of_its_tasks_only(make_task: Make) -> None:
    low, normal = make_task(priority=2), make_task(priority=1)
    _says("busy", "llama3.2:latest busy 4/4 on gpu-a")
    _pause("priority", "2")
    assert _code(low) == "paused"
    assert (_reason(low) or "").startswith("Low priority paused by ana since ")
    assert _reason(normal) == "llama3.2:latest busy 4/4 on gpu-a — next in line"


def test_a_paused_agent_and_a_paused_model_are_named(make_task: Make, agent: Agent) -> None:
    task = make_task()
    _says("paused", "Agent paused by ana")
    _pause("agent", str(agent.pk))
    assert (_reason(task) or "").startswith("Agent writer paused by ana since ")
    Pause.objects.all().delete()
    _pause("model", "llama3.2:latest")
    assert (_reason(task) or "").startswith("llama3.2:latest paused by ana since ")


def test_after_it_was_resumed_nobody_is_told_of_the_pause(make_task: Make) -> None:
    task = make_task()
    _says("paused", "Low priority paused by ana")
    assert _reason(task) == "Waits for the scheduler"


def test_without_a_worker_a_pause_is_not_what_matters(make_task: Make) -> None:
    task = make_task(priority=2)
    _says("no_worker", "No worker is running")
    _pause("priority", "2")
    assert _reason(task) == "No worker is running"


def test_a_user_at_the_limit_is_the_reason_of_their_tasks_only(
    make_task: Make, bob: User, dave: User, node: Node
) -> None:
    User.objects.filter(pk=bob.pk).update(max_concurrent_tasks=2)
    held, free = make_task(share=bob.pk), make_task(share=dave.pk, owner=dave)
    _says("busy", "busy")
    _in_flight(make_task("running", share=bob.pk), node)
    assert _code(held) == "busy"
    _in_flight(make_task("assigned", share=bob.pk), node)
    assert (_code(held), _reason(held)) == ("user_limit", "Limit of user bob 2/2")
    assert _code(free) == "busy"
    _says("user_limit", "Limit of user bob 2/2")
    assert (_code(held), _code(free)) == ("user_limit", "undecided")
    _says("not_pulled", "Not pulled on any node: llama3.2:latest")
    assert _code(held) == "not_pulled"


def test_who_will_run_into_their_limit_is_told_no_latest_start(make_task: Make, bob: User) -> None:
    User.objects.filter(pk=bob.pk).update(max_concurrent_tasks=2)
    tasks = [make_task(share=bob.pk) for _ in range(3)]
    _says("busy", "busy", next_seconds=3.0, per_second=1.0)
    known = [wait.detail["latest_seconds"] is not None for task in tasks if (wait := _wait(task))]
    assert known == [True, True, False]


def test_a_step_names_the_step_it_waits_for(make_task: Make) -> None:
    first, second = (make_task(title=title, position=at) for at, title in enumerate(("extract", "translate")))
    step = make_task("blocked", position=2)
    TaskDependency.objects.create(task=step, needs=first)
    assert (_code(step), _reason(step)) == ("step", "Waits for step 1 “extract”")
    TaskDependency.objects.create(task=step, needs=second)
    assert _reason(step) == "Waits for step 1 “extract” and 1 more"


def test_a_granted_task_is_starting(make_task: Make) -> None:
    task = make_task("assigned")
    assert (_code(task), _reason(task)) == ("starting", "Starting on gpu-a")


@pytest.mark.parametrize("status", ["running", "completed", "failed", "cancelled"])
def test_what_does_not_wait_has_no_reason(status: str, make_task: Make) -> None:
    assert _wait(make_task(status)) is None


def test_many_reasons_cost_as_much_as_few(make_task: Make, django_assert_max_num_queries: Any) -> None:
    first = make_task()
    for _ in range(5):
        TaskDependency.objects.create(task=make_task("blocked"), needs=first)
        make_task()
    _says("busy", "busy")
    tasks = list(Task.objects.light())
    with django_assert_max_num_queries(6):  # steps, pauses, limits, lanes, counts, firsts
        assert len(waits(tasks)) == 11


def test_held_tasks_of_many_runs_cost_as_much_as_those_of_one(make_task: Make, django_assert_num_queries: Any) -> None:
    now = timezone.now()
    for most, paused_at in ((1, None), (2, None), (None, now), (None, None)):
        run = Run.objects.create(kind="batch", agent_name="a", max_parallel=most, paused_at=paused_at)
        Run.objects.filter(pk=run.pk).update(paused_by_name="ana" if paused_at else "")
        make_task("running", run=run, gate=Gate.PASSED)
        make_task("blocked", run=run, gate=Gate.HELD, ready_at=now)
    held = list(Task.objects.filter(status="blocked").light())
    with django_assert_num_queries(3):  # steps, runs, counts
        found = waits(held)
    assert sorted(wait.sentence for wait in found.values()) == [
        "Limit of this run 1/1",
        "Limit of this run 1/2",
        "Run paused by ana",
        "Waits for the scheduler",
    ]
