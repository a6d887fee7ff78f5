"""Telling whoever watches that tasks or a node changed: tasks' rows as they are after the commit."""

from collections.abc import Iterable

from django.db import transaction
from django.db.models import F

from orchestration import events, payloads, queries
from orchestration.models import Node

ROWS_AT_MOST = 10
"""More tasks than this changed at once are told by their ids: whoever watches reads the rows, and often nobody does."""


def announce_tasks(task_ids: Iterable[int], *, wake: bool = False) -> None:
    """Publishes the rows as they are when the transaction ends; one query and one message for all of a transaction.

    Each call registers itself, because a savepoint that is rolled back takes its callbacks with it; the first one to
    run after the commit sends everything.
    """
    waiting = _waiting_of_this_connection()
    waiting.update(task_ids)
    transaction.on_commit(lambda: _publish(waiting, wake=wake), robust=True)


def announce_node(node: Node) -> None:
    """Publishes the node as it is now, under its next version."""
    Node.objects.filter(pk=node.pk).update(version=F("version") + 1)
    node.version += 1
    events.on_commit(("node", payloads.node(node)), wake=True)


def _waiting_of_this_connection() -> set[int]:
    connection = transaction.get_connection()
    waiting: set[int] = connection.__dict__.setdefault("drover_tasks_to_announce", set())
    if not connection.run_on_commit:
        waiting.clear()  # what is left is of a transaction that was rolled back
    return waiting


def _publish(waiting: set[int], *, wake: bool) -> None:
    ids = list(waiting)
    waiting.clear()
    if wake:
        events.publish([], wake=True)  # the scheduler does not wait for rows that others want to see
    if len(ids) > ROWS_AT_MOST:
        events.publish([("tasks", {"ids": ids})])
    elif ids:
        events.publish([("task", row) for row in queries.task_rows_by_id(ids)])
