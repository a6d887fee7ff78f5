"""What the constraints on runs hold."""

import pytest
from django.db import IntegrityError, transaction

from orchestration.models import Run


def run(owner, key):
    return Run.objects.create(kind="single", owner=owner, agent_name="default", idempotency_key=key)


def test_a_person_uses_an_idempotency_key_once(bob, dave):
    run(bob, "monday")
    with pytest.raises(IntegrityError), transaction.atomic():
        run(bob, "monday")
    run(dave, "monday")


def test_runs_without_a_key_are_as_many_as_wanted(bob):
    assert run(bob, None).pk != run(bob, None).pk
