"""What waits, read along partial indexes: the right tasks, in the right order, at a cost that does not grow."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orchestration.engine import backlog
from orchestration.engine.backlog import heads_of, waiting_lanes, waiting_shares
from orchestration.models import Agent, Lane, Run, Task, User
from orchestration.policy.fleet import ShareRule
from orchestration.policy.states import TaskStatus
from orchestration.services import setbacks, steps

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]


def fields_of(task: Task, **fields: Any) -> None:
    Task.objects.filter(pk=task.pk).update(**fields)


@pytest.fixture
def four(submit: Callable[..., Run]) -> list[Task]:
    """In one lane, a minute between the moments they became ready, the first the oldest."""
    waiting = list(submit("a", "b", "c", "d").tasks.order_by("position"))
    now = timezone.now()
    for number, task in enumerate(waiting):
        moment = now - timedelta(minutes=9 - number)
        fields_of(task, ready_at=moment, line_at=moment)
        task.ready_at = task.line_at = moment
    return waiting


def test_a_lane_counts_its_tasks_by_priority_and_knows_the_oldest(four: list[Task], agent: Agent) -> None:
    fields_of(four[0], priority=2)
    (found,) = waiting_lanes({})
    assert {of: (queue.count, queue.oldest) for of, queue in found.queues.items()} == {
        1: (3, four[1].ready_at),
        2: (1, four[0].ready_at),
    }
    lane = Lane.objects.get()
    assert (found.id, found.models, found.num_ctx) == (lane.pk, tuple(lane.models), lane.num_ctx)
    assert (found.agent, found.type) == (agent.pk, "generate")


@pytest.mark.parametrize(
    "fields", [{"status": TaskStatus.BLOCKED}, {"status": TaskStatus.RUNNING}, {"not_before": timezone.now()}]
)
def test_what_is_blocked_running_or_backing_off_does_not_wait(four: list[Task], fields: dict[str, Any]) -> None:
    Task.objects.update(**fields)
    assert waiting_lanes({}) == []


def test_lanes_of_other_agents_wait_for_themselves(
    submit: Callable[..., Run], make_agent: Callable[..., Agent], agent: Agent
) -> None:
    submit("mine")
    submit("one", "two", agent=make_agent("other"))
    assert sorted(queue.count for lane in waiting_lanes({}) for queue in lane.queues.values()) == [1, 2]


def test_long_queues_are_counted_in_full_only_now_and_then(four: list[Task], monkeypatch: Any) -> None:
    monkeypatch.setattr(backlog, "LOOKED_AT", 2)
    lane = four[0].lane_id
    assert waiting_lanes({})[0].queues[1].count == 2
    assert waiting_lanes(backlog.counts())[0].queues[1].count == 4
    Task.objects.filter(pk__in=[task.pk for task in four[1:]]).update(status=TaskStatus.RUNNING)
    assert waiting_lanes({(lane, 1): 4})[0].queues[1].count == 1, "a short queue is counted as it is"


def test_first_come_the_tasks_of_a_user_by_the_age_of_their_run(four: list[Task]) -> None:
    fields_of(four[3], line_at=four[0].line_at - timedelta(hours=1))
    found = heads_of({})(four[0].lane_id, 1, 3)
    assert [head.task_id for head in found] == [four[3].pk, four[0].pk, four[1].pk]
    assert found[1].line_at == four[0].line_at


def test_only_the_users_who_received_the_least_are_looked_at(four: list[Task]) -> None:
    for share, task in enumerate(four, start=1):
        fields_of(task, share=share)
    rules = {share: ShareRule(service=10.0 - share) for share in (1, 2, 3, 4)}
    assert {head.share for head in heads_of(rules)(four[0].lane_id, 1, 2)} == {3, 4}


def test_users_at_their_limit_come_only_where_there_are_no_others(four: list[Task]) -> None:
    fields_of(four[0], share=1)
    Task.objects.exclude(pk=four[0].pk).update(share=2)
    rules = {1: ShareRule(max_concurrent=1, in_flight=1), 2: ShareRule(service=99)}
    heads = heads_of(rules)
    assert {head.share for head in heads(four[0].lane_id, 1, 9)} == {2}
    Task.objects.exclude(pk=four[0].pk).update(status=TaskStatus.RUNNING)
    assert [head.share for head in heads(four[0].lane_id, 1, 9)] == [1], "so that somebody can say who it is"


def test_an_empty_queue_has_no_heads(four: list[Task]) -> None:
    assert heads_of({})(four[0].lane_id, 0, 9) == []


def test_whoever_has_anything_unfinished_shares(four: list[Task]) -> None:
    for share, (task, status) in enumerate(
        zip(four, (TaskStatus.BLOCKED, TaskStatus.PENDING, TaskStatus.RUNNING, TaskStatus.COMPLETED), strict=True)
    ):
        fields_of(task, share=share, status=status)
    assert waiting_shares() == {0, 1, 2}


# The cost -------------------------------------------------------------------------------------------------------------


@contextmanager
def statements() -> Iterator[list[str]]:
    """Those on tasks that ran inside, as they were sent."""
    sent: list[str] = []
    with CaptureQueriesContext(connection) as captured:
        yield sent
    sent += [query["sql"] for query in captured if "orchestration_task" in query["sql"]]


def plan_of(statement: str) -> str:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")  # small tables are read faster as a whole
            cursor.execute("SET LOCAL enable_bitmapscan = off")
            cursor.execute(f"EXPLAIN {statement}")
        else:
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}")
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


def assert_each_uses(sent: list[str], index: str) -> None:
    """Every look at the table goes along the index: none scans it, none goes along another one."""
    assert sent
    for statement in sent:
        looks = [
            line
            for line in plan_of(statement).splitlines()
            if re.search(r"(USING|Scan).*orchestration_task|USING.*INDEX", line)
        ]
        assert looks
        assert all(index in line for line in looks), f"{statement}\n{looks}"


@pytest.fixture
def many(four: list[Task], agent: Agent) -> list[Task]:
    """As a team's table looks after a while: most tasks have ended, of ten lanes and users."""
    lanes = Lane.objects.bulk_create(
        Lane(key=str(number), agent=agent, models=["llama3.2:latest"], num_ctx=4096) for number in range(10)
    )
    now = timezone.now()
    kinds = [TaskStatus.COMPLETED] * 17 + [TaskStatus.PENDING] * 2 + [TaskStatus.BLOCKED]
    Task.objects.bulk_create(
        Task(
            run_id=four[0].run_id,
            agent_name="writer",
            lane=lanes[number % 10],
            share=number // 10 % 10,
            type="generate",
            title="t",
            status=kinds[number // 100 % 20],
            ready_at=now,
            ended_at=now,
            awaited=kinds[number // 100 % 20] == TaskStatus.BLOCKED,
            not_before=now if number % 97 == 0 else None,
        )
        for number in range(6000)
    )
    Task.objects.filter(status=TaskStatus.PENDING, not_before=None).update(ended_at=None)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE orchestration_task")
    return four


def test_queues_are_found_and_counted_along_the_index_of_what_is_ready(many: list[Task]) -> None:
    with statements() as sent:
        backlog.counts()
    assert_each_uses(sent, "task_ready_by_")


def test_the_users_of_a_queue_and_their_first_tasks_are_found_along_theirs(many: list[Task]) -> None:
    with statements() as sent:
        heads_of({})(many[0].lane_id, 1, 4)
    assert len(sent) == 2
    assert_each_uses(sent, "task_ready_by_share" if connection.vendor == "sqlite" else "task_ready_by_")


def test_who_has_anything_unfinished_is_found_along_the_index_of_users(many: list[Task]) -> None:
    with statements() as sent:
        waiting_shares()
    assert_each_uses(sent, "task_unfinished_by_share")


def test_what_has_backed_off_long_enough_is_found_along_its_index(many: list[Task]) -> None:
    with statements() as sent:
        setbacks.release_due(now=timezone.now() - timedelta(days=1))
    assert_each_uses(sent, "task_backing_off")


def test_leases_that_have_ended_are_found_along_their_index(many: list[Task]) -> None:
    with CaptureQueriesContext(connection) as captured:
        setbacks.expire_leases(now=timezone.now())
    looks = [query["sql"] for query in captured if 'FROM "orchestration_attempt"' in query["sql"]]
    assert looks
    assert all("attempt_by_lease" in plan_of(look) for look in looks)


def test_what_others_were_waiting_for_is_found_along_its_index(many: list[Task]) -> None:
    with statements() as sent:
        assert steps.promote(now=timezone.now()) == 0
    assert_each_uses([statement for statement in sent if "awaited" in statement], "task_awaited")


def test_errands_are_nobodys_part_of_the_fleet(four: list[Task], bob: User) -> None:
    assert waiting_shares() == {bob.pk}
    fields_of(four[0], type="pull", share=0)
    assert waiting_shares() == {bob.pk}
    fields_of(four[1], share=0)
    assert waiting_shares() == {0, bob.pk}
