"""Reading attempts that are not settled yet, and no others."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from orchestration.models import Agent, Attempt, Node, Run, Task, User
from orchestration.services.ended import unsettled
from tests.services.conftest import MODEL, Give


def test_an_attempt_comes_with_what_belongs_to_its_task_and_node(
    complete: Callable[[Task], None], submitted_task: Task, node: Node, agent: Agent, bob: User
) -> None:
    complete(submitted_task)
    (row,) = unsettled(10)
    assert (row.pk, row.node_id, row.model_name, row.num_ctx) == (Attempt.objects.get().pk, node.pk, MODEL, 4096)
    assert (row.slots, row.share, row.agent_id, row.type) == (node.slots_per_model, bob.pk, agent.pk, "generate")
    assert (row.status, row.output_tokens, row.inside_seconds) == ("completed", 90, 0.5)


def test_what_runs_and_what_is_settled_is_left_out_and_the_first_come_first(
    complete: Callable[[Task], None], begin: Give, submit: Callable[..., Run]
) -> None:
    settled, first, second, running = submit("1", "2", "3", "4").tasks.order_by("pk")
    complete(settled)
    Attempt.objects.update(settled=True)
    complete(first)
    complete(second)
    begin(running)
    rows = [Attempt.objects.get(pk=row.pk).task_id for row in unsettled(10)]
    assert rows == [first.pk, second.pk]
    assert len(unsettled(1)) == 1


def test_an_attempt_whose_node_is_gone_still_counts(
    complete: Callable[[Task], None], submitted_task: Task, node: Node
) -> None:
    complete(submitted_task)
    node.delete()
    assert [(row.node_id, row.slots) for row in unsettled(10)] == [(None, None)]


@pytest.mark.django_db
def test_history_is_not_read() -> None:
    """The condition is word for word that of the index, and SQLite, which knows no statistics, takes it."""
    with CaptureQueriesContext(connection) as seen:
        assert unsettled(10) == []
    sql = seen[0]["sql"]
    assert '."ended_at" IS NOT NULL AND NOT "orchestration_attempt"."settled"' in sql
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            assert "attempt_unsettled" in str(cursor.fetchall())
