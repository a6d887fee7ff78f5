"""Many tasks at once: whose, how many, in which state, and what it costs."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from orchestration import events, queue
from orchestration.errors import Conflict, InvalidInput, NotAllowed
from orchestration.models import Agent, Attempt, AuditEntry, Run, Task
from orchestration.permissions import Actor
from orchestration.policy.states import AttemptStatus
from orchestration.queries import TaskFilter
from orchestration.services import bulk
from orchestration.services.bulk import Outcome
from tests.services.conftest import Give

EVERYTHING = TaskFilter()
MINE = TaskFilter.from_string("agent=writer")


def _outcome(matched: int, changed: int, foreign: int = 0, moved_on: int = 0) -> Outcome:
    return Outcome(matched=matched, changed=changed, foreign=foreign, moved_on=moved_on)


def _statuses() -> list[str]:
    return list(Task.objects.order_by("pk").values_list("status", flat=True))


# Cancel ---------------------------------------------------------------------------------------------------------------


def test_each_state_is_cancelled_as_one_task_would_be(
    submit: Callable[..., Run],
    as_bob: Actor,
    give: Give,
    begin: Give,
    complete: Callable[[Task], None],
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    told: list[int] = []
    monkeypatch.setattr(queue, "stop_attempt", told.append)
    running, granted, done, waiting, _ = submit("a", "b", "c", "d", "e").tasks.order_by("pk")
    complete(done)
    job = begin(running)
    give(granted)
    with django_capture_on_commit_callbacks(execute=True):
        assert bulk.cancel_matching(actor=as_bob, task_filter=MINE) == _outcome(4, 4)
    assert _statuses() == ["running", "cancelled", "completed", "cancelled", "cancelled"]
    assert told == [job.attempt_id]
    freed = Attempt.objects.get(task=granted)
    assert (freed.status, freed.counts_as_try) == (AttemptStatus.CANCELLED, False)
    assert freed.ended_at is not None
    waiting.refresh_from_db()
    assert waiting.ended_at is not None
    assert waiting.duration_seconds == pytest.approx((waiting.ended_at - waiting.created_at).total_seconds(), abs=0.01)


def test_what_was_already_asked_to_stop_does_not_match_again(begin: Give, submitted_task: Task, as_bob: Actor) -> None:
    begin(submitted_task)
    assert bulk.cancel_matching(actor=as_bob, task_filter=MINE) == _outcome(1, 1)
    assert bulk.cancel_matching(actor=as_bob, task_filter=MINE) == _outcome(0, 0)


def test_only_what_matches_is_touched(submit: Callable[..., Run], as_bob: Actor) -> None:
    submit("low", priority=2)
    submit("normal")
    assert bulk.cancel_matching(actor=as_bob, task_filter=TaskFilter.from_string("priority=2")) == _outcome(1, 1)
    assert _statuses() == ["cancelled", "pending"]


@pytest.mark.parametrize(("name", "changed"), [("as_bob", 2), ("as_dave", 1), ("as_alice", 3)])
def test_an_operator_changes_own_ones_a_maintainer_all(
    name: str, changed: int, submit: Callable[..., Run], as_dave: Actor, request: pytest.FixtureRequest
) -> None:
    submit("one", "two")
    submit("three", actor=as_dave)
    outcome = bulk.cancel_matching(actor=request.getfixturevalue(name), task_filter=MINE)
    assert outcome == _outcome(3, changed, foreign=3 - changed)
    assert _statuses().count("cancelled") == changed


def test_a_viewer_changes_nothing(submitted_task: Task, as_carol: Actor) -> None:
    with pytest.raises(NotAllowed):
        bulk.cancel_matching(actor=as_carol, task_filter=MINE)
    with pytest.raises(NotAllowed):
        bulk.set_priority_matching(actor=as_carol, task_filter=MINE, priority=0)


# How many -------------------------------------------------------------------------------------------------------------


def test_more_than_a_hundred_need_a_number(submit: Callable[..., Run], as_bob: Actor) -> None:
    submit(*map(str, range(101)))
    with pytest.raises(Conflict, match="about 101 tasks") as refusal:
        bulk.cancel_matching(actor=as_bob, task_filter=MINE)
    assert refusal.value.detail == {"matched": 101}
    with pytest.raises(Conflict, match="101 tasks match by now, not 100"):
        bulk.cancel_matching(actor=as_bob, task_filter=MINE, expected=100)
    assert set(_statuses()) == {"pending"}
    assert bulk.cancel_matching(actor=as_bob, task_filter=MINE, expected=101).changed == 101


def test_fewer_than_expected_are_no_reason_to_stop(submitted_task: Task, as_bob: Actor) -> None:
    assert bulk.cancel_matching(actor=as_bob, task_filter=MINE, expected=500).changed == 1


def test_without_a_filter_a_number_is_always_needed(submitted_task: Task, as_bob: Actor) -> None:
    with pytest.raises(Conflict, match="about 1 tasks"):
        bulk.cancel_matching(actor=as_bob, task_filter=EVERYTHING)
    assert bulk.cancel_matching(actor=as_bob, task_filter=EVERYTHING, expected=1).changed == 1


def test_what_came_after_the_newest_one_seen_is_left_alone(submit: Callable[..., Run], as_bob: Actor) -> None:
    seen = submit("seen").tasks.get()
    submit("new")
    assert bulk.cancel_matching(actor=as_bob, task_filter=MINE, up_to=seen.pk) == _outcome(1, 1)
    assert _statuses() == ["cancelled", "pending"]


def test_what_moved_on_meanwhile_is_counted(
    submit: Callable[..., Run], as_bob: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = submit("one", "two").tasks.order_by("pk")
    look = bulk.movable

    def started_after_the_look(**kwargs: Any) -> Any:
        found = look(**kwargs)
        Task.objects.transition(first.pk, "assigned", token="t")
        return found

    monkeypatch.setattr(bulk, "movable", started_after_the_look)
    outcome = bulk.set_priority_matching(actor=as_bob, task_filter=MINE, priority=0)
    assert outcome == _outcome(2, 1, moved_on=1)


# Priority -------------------------------------------------------------------------------------------------------------


def test_what_waits_gets_the_priority(submit: Callable[..., Run], as_bob: Actor, begin: Give) -> None:
    running, *_ = submit("a", "b", "c", sequential=True).tasks.order_by("pk")
    submit("d", priority=0)
    begin(running)
    before = Task.objects.get(title="b").version
    assert bulk.set_priority_matching(actor=as_bob, task_filter=MINE, priority=0) == _outcome(2, 2)
    assert list(Task.objects.order_by("pk").values_list("priority", flat=True)) == [1, 0, 0, 0]
    assert Task.objects.get(title="b").version == before + 1


def test_an_unknown_priority_is_refused(submitted_task: Task, as_bob: Actor) -> None:
    with pytest.raises(InvalidInput, match="priority is 0"):
        bulk.set_priority_matching(actor=as_bob, task_filter=MINE, priority=7)


# Told -----------------------------------------------------------------------------------------------------------------


def _events(redis: Any) -> list[tuple[str, Any]]:
    return [(fields["k"], json.loads(fields["d"])) for _, fields in redis.xrange(events.EVENTS)]


def test_there_is_one_audit_entry_with_filter_and_count(
    submit: Callable[..., Run], as_alice: Actor, as_bob: Actor
) -> None:
    submit("one", "two", priority=2)
    AuditEntry.objects.all().delete()
    bulk.set_priority_matching(actor=as_alice, task_filter=TaskFilter.from_string("priority=2"), priority=1)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.object_type, entry.object_id) == ("tasks.priority_changed", "task", None)
    assert entry.object_name == "2 tasks"
    assert entry.detail == {"filter": "priority=2", "tasks": 2, "foreign": 0, "moved_on": 0, "priority": 1}
    bulk.cancel_matching(actor=as_bob, task_filter=TaskFilter.from_string("priority=0"))
    assert AuditEntry.objects.count() == 1


def test_few_are_told_one_by_one_and_many_in_one_event(
    submit: Callable[..., Run], as_bob: Actor, redis_server: Any, django_capture_on_commit_callbacks: Any
) -> None:
    submit("one", "two")
    with django_capture_on_commit_callbacks(execute=True):
        bulk.set_priority_matching(actor=as_bob, task_filter=MINE, priority=2)
    assert [kind for kind, _ in _events(redis_server.client)] == ["task", "task"]
    submit(*map(str, range(60)))
    redis_server.flush()
    with django_capture_on_commit_callbacks(execute=True):
        bulk.set_priority_matching(actor=as_bob, task_filter=MINE, priority=0)
    assert _events(redis_server.client) == [("tasks_changed", {"count": 62})]
    assert redis_server.client.llen(events.WAKE) == 1


def test_chunks_keep_each_transaction_short(
    agent: Agent, submit: Callable[..., Run], as_bob: Actor, django_assert_max_num_queries: Any
) -> None:
    run = submit("first")
    first = run.tasks.get()
    Task.objects.bulk_create(
        Task(
            run=run, owner_id=as_bob.user_id, agent=agent, agent_name="writer", lane=first.lane, title="t", type="chat"
        )
        for _ in range(3 * bulk.CHUNK)
    )
    Task.objects.update(created_at=timezone.now())
    with django_assert_max_num_queries(50):
        outcome = bulk.cancel_matching(actor=as_bob, task_filter=MINE, expected=10_000)
    assert outcome.changed == 3 * bulk.CHUNK + 1
    assert set(_statuses()) == {"cancelled"}
