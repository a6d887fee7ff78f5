"""Settling: what ended attempts teach, and what their users are charged in the end."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orchestration.errors import Unreachable
from orchestration.models import Agent, Attempt, Node, NodeVariant, OutputEstimate, Run, ShareAccount, Task, User
from orchestration.ollama.wire import Metrics
from orchestration.policy.estimates import blend, work_tokens
from orchestration.services import attempts, grants, learning, setbacks
from tests.services.conftest import MODEL, Give, grant_for, result

SECOND = timedelta(seconds=1)
CHARGED = 250.0
EndedAttempt = Callable[..., Attempt]


@pytest.fixture
def attempt_of(node: Node, bob: User) -> EndedAttempt:
    """Grants the task and lets it start, both at a given moment; its user is charged as the scheduler does it."""

    def run(task: Task, *, slot: int = 0, at: datetime | None = None, start: bool = True) -> Attempt:
        at = at or timezone.now()
        (job,) = grants.assign(grants=[grant_for(task, node, slot=slot, tokens=CHARGED)], now=at)
        if start:
            assert attempts.start(attempt_id=job.attempt_id, token=job.token, worker="worker-1", now=at)
        account, _ = ShareAccount.objects.get_or_create(share=bob.pk)
        ShareAccount.objects.filter(pk=account.pk).update(service=account.service + CHARGED)
        return Attempt.objects.get(pk=job.attempt_id)

    return run


def completed(attempt: Attempt, *, at: datetime | None = None, **metrics: Any) -> None:
    known = {"total": 4 * SECOND, "load": SECOND / 10, "prefill": SECOND / 2, "decode": 2 * SECOND}
    told = Metrics(**{**known, "prompt_tokens": 15, "output_tokens": 100, **metrics})
    assert attempts.complete(attempt_id=attempt.pk, token=attempt.token, result=result(metrics=told), now=at)


def service_of(user: User) -> float:
    return ShareAccount.objects.get(share=user.pk).service


def tasks_of(submit: Callable[..., Run], count: int, **fields: Any) -> list[Task]:
    return list(submit(*(f"Say {n}." for n in range(count)), **fields).tasks.order_by("pk"))


# What is learned ------------------------------------------------------------------------------------------------------


def test_a_completed_attempt_teaches_its_place_and_its_kind(
    attempt_of: EndedAttempt, submitted_task: Task, node: Node, agent: Agent
) -> None:
    began = timezone.now()
    completed(attempt_of(submitted_task, at=began), at=began + 8 * SECOND)
    assert learning.settle() == 1
    variant = NodeVariant.objects.get()
    assert (variant.node_id, variant.model_name, variant.num_ctx) == (node.pk, MODEL, 4096)
    assert (variant.tokens_per_second, variant.run_seconds) == (50.0, 8.0)
    assert variant.last_used_at == began + 8 * SECOND
    estimate = OutputEstimate.objects.get()
    assert (estimate.agent_id, estimate.type, estimate.tokens) == (agent.pk, "generate", work_tokens(100, 15))


def test_what_is_known_is_kept_and_blended(attempt_of: EndedAttempt, submitted_task: Task, node: Node) -> None:
    NodeVariant.objects.create(
        node=node, model_name=MODEL, num_ctx=4096, tokens_per_second=20, load_seconds=7, size_bytes=3
    )
    OutputEstimate.objects.create(agent=submitted_task.agent, type="generate", tokens=500)
    completed(attempt_of(submitted_task))
    learning.settle()
    variant = NodeVariant.objects.get()
    assert variant.tokens_per_second == blend(20, 50)
    assert (variant.load_seconds, variant.size_bytes) == (7, 3)
    assert OutputEstimate.objects.get().tokens == blend(500, work_tokens(100, 15))


def test_calls_that_ran_together_tell_of_a_faster_node(submit: Callable[..., Run], attempt_of: EndedAttempt) -> None:
    began = timezone.now()
    together = [attempt_of(task, slot=slot, at=began) for slot, task in enumerate(tasks_of(submit, 2))]
    for number, attempt in enumerate(together, start=1):
        completed(attempt, at=began + number * SECOND)
    learning.settle()
    assert NodeVariant.objects.get().tokens_per_second == pytest.approx(50 * 1.25)


def test_company_that_goes_on_counts_as_well(submit: Callable[..., Run], attempt_of: EndedAttempt) -> None:
    one, other = tasks_of(submit, 2)
    attempt_of(other, slot=1)
    completed(attempt_of(one))
    learning.settle()
    assert NodeVariant.objects.get().tokens_per_second == pytest.approx(50 * 1.25)


def test_a_server_with_fewer_slots_than_the_node_says_is_found_out(
    submit: Callable[..., Run], attempt_of: EndedAttempt
) -> None:
    began = timezone.now()
    for slot, task in enumerate(tasks_of(submit, 4)):
        completed(attempt_of(task, slot=slot, at=began), at=began + 10 * SECOND, total=(3 + slot) * SECOND)
    learning.settle()
    variant = NodeVariant.objects.get()
    assert (variant.slots, variant.clean_runs) == (3, 0)
    assert variant.slots_at == began + 10 * SECOND


def test_what_became_of_agent_or_node_since_then_is_no_obstacle(
    attempt_of: EndedAttempt, submitted_task: Task, node: Node, agent: Agent, bob: User
) -> None:
    completed(attempt_of(submitted_task))
    Task.objects.update(agent=None)
    Attempt.objects.update(node=None)
    assert learning.settle() == 1
    assert not NodeVariant.objects.exists()
    assert not OutputEstimate.objects.exists()
    assert service_of(bob) == pytest.approx(work_tokens(100, 15))


def test_faults_of_a_node_reach_its_circuit(attempt_of: EndedAttempt, submitted_task: Task, node: Node) -> None:
    attempt = attempt_of(submitted_task)
    error = Unreachable("gpu-a does not answer")
    assert setbacks.fail(attempt_id=attempt.pk, token=attempt.token, error=error)
    learning.settle()
    node.refresh_from_db()
    assert node.faults == 1


# What is charged ------------------------------------------------------------------------------------------------------


def test_a_user_is_charged_what_was_received_and_no_more(
    attempt_of: EndedAttempt, submitted_task: Task, bob: User
) -> None:
    completed(attempt_of(submitted_task))
    assert service_of(bob) == CHARGED
    learning.settle()
    assert service_of(bob) == pytest.approx(work_tokens(100, 15))


def test_nothing_is_settled_twice(attempt_of: EndedAttempt, submitted_task: Task, bob: User) -> None:
    completed(attempt_of(submitted_task))
    assert [learning.settle(), learning.settle()] == [1, 0]
    assert service_of(bob) == pytest.approx(work_tokens(100, 15))
    assert Attempt.objects.get().settled


def test_what_still_runs_is_left_alone(attempt_of: EndedAttempt, submitted_task: Task, bob: User) -> None:
    attempt_of(submitted_task)
    assert learning.settle() == 0
    assert service_of(bob) == CHARGED


def test_an_answer_that_the_server_did_not_count_costs_what_was_expected(
    attempt_of: EndedAttempt, submitted_task: Task, bob: User
) -> None:
    completed(attempt_of(submitted_task), prompt_tokens=0, output_tokens=0)
    learning.settle()
    assert service_of(bob) == CHARGED
    assert not OutputEstimate.objects.exists()


def test_a_failure_before_the_first_token_costs_nothing(
    attempt_of: EndedAttempt, submitted_task: Task, bob: User
) -> None:
    attempt = attempt_of(submitted_task)
    setbacks.fail(attempt_id=attempt.pk, token=attempt.token, error=Unreachable("away"))
    learning.settle()
    assert service_of(bob) == 0


def test_a_lost_attempt_costs_nothing(attempt_of: EndedAttempt, submitted_task: Task, node: Node, bob: User) -> None:
    attempt_of(submitted_task)
    setbacks.revoke_node(node_id=node.pk, reason="gone")
    learning.settle()
    assert service_of(bob) == 0
    assert not OutputEstimate.objects.exists()


def test_who_cancels_pays_for_the_time_it_was_written(
    attempt_of: EndedAttempt, submitted_task: Task, node: Node, bob: User
) -> None:
    NodeVariant.objects.create(node=node, model_name=MODEL, num_ctx=4096, tokens_per_second=20)
    began = timezone.now()
    attempt = attempt_of(submitted_task, at=began)
    assert attempts.cancelled(attempt_id=attempt.pk, token=attempt.token, now=began + 10 * SECOND)
    learning.settle()
    assert service_of(bob) == pytest.approx(200)
    assert NodeVariant.objects.get().last_used_at == began + 10 * SECOND


def test_accounts_that_were_never_opened_are(give: Give, submitted_task: Task, bob: User) -> None:
    job = give(submitted_task)
    assert attempts.start(attempt_id=job.attempt_id, token=job.token, worker="worker-1")
    completed(Attempt.objects.get())
    Attempt.objects.update(estimated_tokens=0)
    learning.settle()
    assert service_of(bob) == pytest.approx(work_tokens(100, 15))


# How much it costs ----------------------------------------------------------------------------------------------------


def test_many_attempts_take_as_many_statements_as_one(submit: Callable[..., Run], attempt_of: EndedAttempt) -> None:
    counts = []
    for size in (1, 12):
        for slot, task in enumerate(tasks_of(submit, size)):
            completed(attempt_of(task, slot=slot))
        with CaptureQueriesContext(
            connection,
        ) as seen:
            assert learning.settle() == size
        counts.append(len(seen))
    assert counts[0] == counts[1] <= 15


def test_no_more_are_settled_at_once_than_wanted(submit: Callable[..., Run], attempt_of: EndedAttempt) -> None:
    for slot, task in enumerate(tasks_of(submit, 3)):
        completed(attempt_of(task, slot=slot))
    assert [learning.settle(most=2), learning.settle(most=2)] == [2, 1]


def test_a_model_that_was_only_loaded_teaches_nothing_about_answers(
    attempt_of: EndedAttempt, submitted_task: Task, bob: User
) -> None:
    Task.objects.filter(pk=submitted_task.pk).update(type="load")
    completed(attempt_of(submitted_task), prompt_tokens=0, output_tokens=0)
    learning.settle()
    assert NodeVariant.objects.get().run_seconds is None
    assert service_of(bob) == 0
