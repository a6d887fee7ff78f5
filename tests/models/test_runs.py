"""Runs: an idempotency key makes one run, and a run goes with all that belongs to it."""

from typing import Any

import pytest
from django.utils import timezone

from orchestration.models import Attempt, Lane, Run, Task, TaskDependency, User
from tests.models.conftest import MakeAttempt, MakeTask, Refused


def run_of(owner: User | None, **fields: Any) -> Run:
    return Run.objects.create(kind="single", owner=owner, agent_name="writer", **fields)


def test_a_key_makes_one_run_of_one_person(bob: User, refused: Refused) -> None:
    run_of(bob, idempotency_key="k", request_hash="one")
    with refused():
        run_of(bob, idempotency_key="k", request_hash="another")
    assert Run.objects.get().request_hash == "one"


def test_another_person_may_use_the_same_key(bob: User, dave: User) -> None:
    assert run_of(bob, idempotency_key="k") != run_of(dave, idempotency_key="k")


def test_runs_without_a_key_are_as_many_as_one_likes(bob: User) -> None:
    runs = {run_of(bob).pk for _ in range(3)} | {run_of(bob, idempotency_key="k").pk}
    assert len(runs) == 4


def test_keys_differ_by_case_and_by_blanks(bob: User) -> None:
    for key in ("k", "K", "k ", ""):
        run_of(bob, idempotency_key=key)
    assert Run.objects.count() == 4


def test_runs_outlive_their_owners_even_with_the_same_key(bob: User, dave: User) -> None:
    for owner in (bob, dave):
        run_of(owner, idempotency_key="k")
        owner.delete()
    assert list(Run.objects.values_list("owner", "idempotency_key")) == [(None, "k"), (None, "k")]


def test_a_deleted_run_takes_tasks_edges_and_attempts_along_but_no_lane(
    run: Run, make_task: MakeTask, make_attempt: MakeAttempt
) -> None:
    first, second = make_task("completed"), make_task("blocked")
    TaskDependency.objects.create(task=second, needs=first)
    make_attempt(first, ended_at=timezone.now())
    other = make_task(run=run_of(None))
    run.delete()
    assert list(Task.objects.all()) == [other]
    assert not TaskDependency.objects.exists()
    assert not Attempt.objects.exists()
    assert Lane.objects.exists()


def test_the_newest_run_comes_first(bob: User) -> None:
    first, second = run_of(bob), run_of(bob)
    assert list(Run.objects.all()) == [second, first]
    assert str(second) == f"run {second.pk}"


def test_a_run_keeps_no_status_of_its_own() -> None:
    names = {field.name for field in Run._meta.get_fields()}
    assert "tasks" in names
    assert not names & {"status", "state", "ended_at"}


@pytest.mark.parametrize("length", [1, 200])
def test_a_key_of_any_allowed_length_is_kept_whole(bob: User, length: int) -> None:
    key = "ü" * length
    assert Run.objects.get(pk=run_of(bob, idempotency_key=key).pk).idempotency_key == key
