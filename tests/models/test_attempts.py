"""What the constraints on attempts hold, whoever decides."""

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from orchestration.models import Attempt


@pytest.fixture
def grant(node):
    def make(task, *, slot=0, number=1, **fields):
        now = timezone.now()
        kept = {"node": node, "node_name": node.name, "model_name": "llama3.2:latest", "num_ctx": 4096}
        times = {"granted_at": now, "lease_until": now}
        token = f"{task.pk}-{slot}-{number}-{fields.get('num_ctx', '')}"
        return Attempt.objects.create(
            task=task, slot=slot, number=number, token=token, queue="normal", **{**kept, **times, **fields}
        )

    return make


@pytest.fixture
def tasks(submit):
    return list(submit("one", "two").tasks.all())


def refused(make):
    with pytest.raises(IntegrityError), transaction.atomic():
        make()


def test_a_slot_holds_one_attempt_until_it_has_ended(grant, tasks):
    first = grant(tasks[0])
    refused(lambda: grant(tasks[1]))
    Attempt.objects.filter(pk=first.pk).update(ended_at=timezone.now())
    grant(tasks[1])


def test_slots_are_counted_for_each_context_size(grant, tasks):
    grant(tasks[0])
    grant(tasks[1], num_ctx=8192)


def test_a_task_has_one_live_attempt(grant, tasks):
    first = grant(tasks[0])
    refused(lambda: grant(tasks[0], slot=1, number=2))
    Attempt.objects.filter(pk=first.pk).update(ended_at=timezone.now())
    grant(tasks[0], slot=1, number=2)


def test_attempts_of_a_task_are_numbered_once(grant, tasks):
    grant(tasks[0], ended_at=timezone.now())
    refused(lambda: grant(tasks[0], slot=1))


def test_the_history_outlives_its_node(grant, tasks, node):
    attempt = grant(tasks[0], ended_at=timezone.now())
    node.delete()
    attempt.refresh_from_db()
    assert (attempt.node, attempt.node_name) == (None, "gpu-a")
