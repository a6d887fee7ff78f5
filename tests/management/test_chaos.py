"""The account that the storm ends with, and a short storm. The long one is `make bench-long`."""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from orchestration.management import chaos
from orchestration.management.chaos import SLOTS, Account
from orchestration.models import Attempt, Node, Run, Task
from orchestration.ollama.simulator import NodeSpec
from orchestration.policy.states import TaskStatus

QUESTION = {"model_name": "llama3.2:latest", "input": "Name river 7."}


def _seeded(seed: int) -> dict[str, Any]:
    return {**QUESTION, "parameters": {"num_predict": 12, "seed": seed}}


@pytest.mark.parametrize(
    "fault",
    [
        {"missing": 1},
        {"unfinished": 1},
        {"other_ends": {"failed": 1}},
        {"written_twice": 1},
        {"shared_slots": 1},
        {"different": [3]},
        {"most_at_once": SLOTS + 1},
    ],
)
def test_one_fault_of_any_kind_is_enough(fault: dict[str, Any]) -> None:
    assert Account(most_at_once=SLOTS, completed=5, compared=5).clean
    assert not Account(**{"most_at_once": SLOTS, **fault}).clean


@pytest.fixture
def tasks(submit: Callable[..., Run]) -> list[Task]:
    return list(submit("one", "two", "three").tasks.order_by("pk"))


@pytest.fixture
def attempt(node: Node) -> Callable[..., Attempt]:
    """An attempt in slot 0 from one second to another."""
    now = timezone.now()

    def make(
        task: Task, began: float | None, ended: float, *, number: int = 1, slot: int = 0, **fields: Any
    ) -> Attempt:
        end = now + timedelta(seconds=ended)
        times = {"started_at": None if began is None else now + timedelta(seconds=began), "ended_at": end}
        place = {"node": node, "node_name": "n", "model_name": "m", "num_ctx": 4096, "slot": slot}
        lease = {"token": f"{task.pk}-{number}", "granted_at": now, "lease_until": end, "status": "completed"}
        return Attempt.objects.create(task=task, number=number, **{**times, **place, **lease, **fields})

    return make


def _stock(submitted: list[int]) -> Account:
    account = Account(submitted={pk: QUESTION for pk in submitted})
    chaos._take_stock(connection, account)
    return account


def test_a_slot_that_is_taken_when_another_has_left_it_is_not_shared(
    tasks: list[Task], attempt: Callable[..., Attempt]
):
    attempt(tasks[0], 0, 10)
    attempt(tasks[1], 10, 20)
    attempt(tasks[2], 5, 15, slot=1)
    assert _stock([]).shared_slots == 0


def test_a_slot_that_is_taken_before_another_has_left_it_is_shared(tasks: list[Task], attempt: Callable[..., Attempt]):
    attempt(tasks[0], 0, 10)
    attempt(tasks[1], 9, 20)
    attempt(tasks[2], None, 5, status="lost")
    assert _stock([]).shared_slots == 1


def test_slots_of_the_same_number_belong_to_their_model_and_context(tasks: list[Task], attempt: Callable[..., Attempt]):
    attempt(tasks[0], 0, 10)
    attempt(tasks[1], 5, 10, model_name="other")
    attempt(tasks[2], 5, 10, num_ctx=8192)
    assert _stock([]).shared_slots == 0


def test_what_became_of_every_task_is_told(tasks: list[Task], attempt: Callable[..., Attempt]) -> None:
    first, second, _ = tasks
    attempt(first, 0, 1)
    attempt(first, 2, 3, number=2)
    ended = Task.objects.filter(pk__in=[first.pk, second.pk])
    ended.transition_all(TaskStatus.ASSIGNED)
    ended.transition_all(TaskStatus.RUNNING)
    Task.objects.filter(pk=first.pk).transition_all(TaskStatus.COMPLETED)
    Task.objects.filter(pk=second.pk).transition_all(TaskStatus.FAILED)
    account = _stock([first.pk, second.pk, 987_654])
    assert (account.completed, account.other_ends, account.unfinished) == (1, {"failed": 1}, 1)
    assert (account.missing, account.written_twice, account.attempts) == (1, 1, {"completed": 2})


def test_a_server_answers_a_seeded_question_the_same_way_again(make_simulator: Callable[..., Any]) -> None:
    first, second = make_simulator([NodeSpec(name=name, speed=50) for name in "ab"]).urls
    assert chaos.ask(first, _seeded(7)) == chaos.ask(second, _seeded(7)) != chaos.ask(first, _seeded(8))


def test_an_output_that_a_server_would_not_give_is_found(tasks: list[Task], make_simulator: Callable[..., Any]) -> None:
    (url,) = make_simulator([NodeSpec(speed=50)]).urls
    submitted = {task.pk: _seeded(task.pk) for task in tasks}
    for task in tasks:
        Task.objects.filter(pk=task.pk).update(output=chaos.ask(url, submitted[task.pk]))
    Task.objects.filter(pk=tasks[1].pk).update(output="half of")
    for status in (TaskStatus.ASSIGNED, TaskStatus.RUNNING, TaskStatus.COMPLETED):
        Task.objects.transition_all(status)
    account = Account(submitted=submitted)
    chaos._compare(connection, url, account, random.Random(1))
    assert (account.compared, account.different) == (3, [tasks[1].pk])


@pytest.mark.processes
@pytest.mark.django_db
def test_a_short_storm_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chaos, "BETWEEN_KILLS", (1.0, 2.0))
    account = chaos.run(6, seed=4, database_url="", workers=1)
    assert account.clean, account
    assert account.kills.total() >= 2
    assert account.completed == len(account.submitted) > 0
    assert account.compared > 0
