"""Decisions become attempts that hold their slot; of two deciders one is first, whatever both believed."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orchestration.models import Agent, Attempt, Node, Task, User
from orchestration.permissions import Actor
from orchestration.policy.states import AttemptStatus
from orchestration.queue import AttemptJob
from orchestration.services import grants, nodes, setbacks, submission, tasks
from orchestration.services.specs import TaskSpec
from tests.services.conftest import Give, grant_for


def _assign(*wanted: Any) -> list[AttemptJob]:
    return grants.assign(grants=list(wanted), now=timezone.now())


def test_a_grant_holds_a_slot_with_a_token_a_lease_and_a_reason(
    submitted_task: Task, node: Node, settings: Any
) -> None:
    (job,) = _assign(grant_for(submitted_task, node))
    attempt, task = Attempt.objects.get(), Task.objects.get()
    assert (attempt.slot, attempt.status, attempt.token) == (0, AttemptStatus.GRANTED, job.token)
    assert attempt.lease_until - attempt.granted_at == settings.DROVER_LEASE
    assert (task.status, task.token, task.attempt_id, task.attempt_count) == ("assigned", job.token, attempt.pk, 1)
    assert (task.node_name, task.decision_reason) == ("gpu-a", "a free slot")
    assert job.queue == "normal"


def test_what_a_task_was_told_while_it_waited_stays_with_the_reason(submit: Callable[..., Any], node: Node) -> None:
    task = submit("x" * 14_000).tasks.get()
    _assign(grant_for(task, node))
    task.refresh_from_db()
    note = "A context of 8,192, because prompt and answer take about 4,250 tokens"
    assert (task.decision_reason, task.message) == (f"a free slot. {note}", "")


@pytest.mark.parametrize(("priority", "queue"), [(0, "high"), (1, "normal"), (2, "low")])
def test_the_queue_follows_the_priority(priority: int, queue: str, submitted_task: Task, node: Node) -> None:
    Task.objects.update(priority=priority)
    assert _assign(grant_for(submitted_task, node))[0].queue == queue


def test_a_slot_is_granted_once(submit: Callable[..., Any], node: Node) -> None:
    one, two = submit("one", "two").tasks.order_by("pk")
    assert len(_assign(grant_for(one, node), grant_for(two, node))) == 1
    assert set(Task.objects.values_list("status", flat=True)) == {"assigned", "pending"}


def test_a_void_grant_does_not_take_the_others_with_it(submit: Callable[..., Any], node: Node) -> None:
    one, two, three = submit("one", "two", "three").tasks.order_by("pk")
    _assign(grant_for(one, node))
    jobs = _assign(grant_for(two, node), grant_for(three, node, slot=1))
    assert [job.attempt_id for job in jobs] == [Attempt.objects.get(task=three).pk]


def test_many_are_granted_in_a_fixed_number_of_statements(submit: Callable[..., Any], node: Node) -> None:
    waiting = list(submit(*"abcdefgh").tasks.order_by("pk"))
    counts = []
    for some in (waiting[:1], waiting[1:]):
        with CaptureQueriesContext(connection) as queries:
            jobs = _assign(*[grant_for(task, node, slot=task.pk % 1000) for task in some])
        counts.append(len(queries))
        assert [Attempt.objects.get(pk=job.attempt_id).task_id for job in jobs] == [task.pk for task in some]
    assert counts[0] == counts[1]
    assert set(Task.objects.values_list("status", "version", "attempt_count")) == {("assigned", 1, 1)}


def test_what_was_not_granted_leaves_nothing_behind(submit: Callable[..., Any], node: Node) -> None:
    one, two = submit("one", "two").tasks.order_by("pk")
    Task.objects.filter(pk=one.pk).update(token="f" * 32)
    assert _assign(grant_for(one, node), grant_for(two, node), grant_for(two, node, slot=1)) != []
    assert list(Attempt.objects.values_list("task_id", "slot")) == [(two.pk, 0)]
    assert list(Task.objects.order_by("pk").values_list("status", "attempt_count")) == [("pending", 0), ("assigned", 1)]


def test_a_task_is_granted_once(submitted_task: Task, node: Node) -> None:
    assert len(_assign(grant_for(submitted_task, node), grant_for(submitted_task, node, slot=1))) == 1
    assert Attempt.objects.count() == 1


def test_a_task_that_was_cancelled_in_between_is_not_granted(submitted_task: Task, node: Node, as_bob: Actor) -> None:
    tasks.cancel(actor=as_bob, task_id=submitted_task.pk)
    assert _assign(grant_for(submitted_task, node)) == []
    assert not Attempt.objects.exists()


def test_a_node_that_went_in_between_takes_nothing(submitted_task: Task, node: Node) -> None:
    wanted = grant_for(submitted_task, node)
    node.delete()
    assert _assign(wanted) == []
    assert Task.objects.get().status == "pending"


def test_a_slot_is_free_again_after_the_end(submit: Callable[..., Any], give: Give, node: Node) -> None:
    one, two = submit("one", "two").tasks.order_by("pk")
    job = give(one)
    setbacks.give_back(attempt_id=job.attempt_id, token=job.token, reason="the worker stops")
    assert len(_assign(grant_for(two, node))) == 1


def test_two_context_sizes_of_one_model_have_slots_of_their_own(submit: Callable[..., Any], node: Node) -> None:
    one, two = submit("one", "two").tasks.order_by("pk")
    assert len(_assign(grant_for(one, node), grant_for(two, node, num_ctx=8192))) == 2


@pytest.mark.django_db(transaction=True)
def test_two_deciders_at_once_never_grant_more_than_there_is(
    make_node: Callable[..., Node], make_agent: Callable[..., Agent], redis_server: object
) -> None:
    """Both see the same eight tasks and four free slots, and both grant all four."""
    node, agent = make_node(), make_agent()
    user = User.objects.create_user("bob")
    actor = Actor(user_id=user.pk, name="bob", role=user.effective_role)
    specs = [TaskSpec(type="generate", input=f"text {number}") for number in range(8)]
    waiting = list(submission.submit(actor=actor, agent=agent, specs=specs).tasks.order_by("pk"))
    together, granted = threading.Barrier(2), []

    def decide(chosen: list[Task]) -> None:
        try:
            together.wait(timeout=30)
            granted.extend(_assign(*[grant_for(task, node, slot=slot) for slot, task in enumerate(chosen)]))
        finally:
            connection.close()

    deciders = [threading.Thread(target=decide, args=(part,)) for part in (waiting[:4], waiting[2:6])]
    for decider in deciders:
        decider.start()
    for decider in deciders:
        decider.join(timeout=60)
    live = Attempt.objects.filter(ended_at=None)
    assert len(granted) == live.count() == 4
    assert sorted(live.values_list("slot", flat=True)) == [0, 1, 2, 3]
    assert Task.objects.filter(status="assigned").count() == 4


def test_nobody_is_charged_for_what_did_not_start(submit: Callable[..., Any], node: Node) -> None:
    one, two = submit("one", "two").tasks.order_by("pk")
    decided = [grant_for(task, node, slot=0, share=task.share, tokens=250.0) for task in (one, two)]
    jobs = _assign(*decided)
    assert len(jobs) == 1
    accounts = {one.share: 700.0, 99: 5.0}
    assert grants.charged(service=accounts, grants=decided, jobs=jobs) == {one.share: 450.0, 99: 5.0}
    assert grants.charged(service=accounts, grants=decided[:1], jobs=jobs) == accounts


@contextmanager
def _meanwhile(work: Callable[[], object]) -> Iterator[None]:
    """Somebody else has done it, and not committed yet. Who would wait for that gives up."""
    done, over = threading.Event(), threading.Event()

    def change() -> None:
        try:
            with transaction.atomic():
                work()
                done.set()
                over.wait(timeout=30)
        finally:
            connection.close()

    changing = threading.Thread(target=change)
    changing.start()
    assert done.wait(timeout=30)
    try:
        with transaction.atomic():
            connection.cursor().execute("SET LOCAL lock_timeout = '5s'")
            yield
    finally:
        over.set()
        changing.join(timeout=30)


@pytest.mark.django_db(transaction=True)
def test_a_task_that_somebody_is_changing_holds_up_no_other(submit: Callable[..., Any], node: Node) -> None:
    """A decision that waited for the rows of a bulk action would end in a deadlock with it sooner or later."""
    if connection.vendor == "sqlite":
        return  # it locks no rows: it has one writer at a time
    one, two = submit("one", "two").tasks.order_by("pk")
    with _meanwhile(lambda: Task.objects.filter(pk=one.pk).update(priority=0)):
        granted = _assign(grant_for(one, node, slot=0), grant_for(two, node, slot=1))
    assert [job.attempt_id for job in granted] == list(Attempt.objects.filter(task=two).values_list("pk", flat=True))


@pytest.mark.django_db(transaction=True)
def test_whoever_changes_a_node_holds_up_no_decision(submitted_task: Task, node: Node, as_alice: Actor) -> None:
    """An attempt refers to its node: its commit would wait for who locks more of the row than is changed."""
    if connection.vendor == "sqlite":
        return
    with _meanwhile(lambda: nodes.set_draining(actor=as_alice, node_id=node.pk, draining=True)):
        assert _assign(grant_for(submitted_task, node))


def test_a_reason_longer_than_its_column_is_cut(submitted_task: Task, node: Node) -> None:
    assert grants.assign(grants=[grant_for(submitted_task, node, reason="x" * 400)], now=timezone.now())
    assert len(Attempt.objects.get().decision_reason) == 300
