"""Transactions that the database ended in favour of another one."""

from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from orchestration.models import Agent
from orchestration.services import again
from orchestration.services.again import atomic_again


class Resolved(Exception):
    """What the driver raises, with PostgreSQL's code for a deadlock."""

    sqlstate = "40P01"


RESOLVED = Resolved()


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes an agent and is then ended as often as asked, by this error."""
    monkeypatch.setattr(again, "PAUSE_SECONDS", 0)
    left = {"failures": 0, "calls": 0}

    @atomic_again
    def make_agent(failures: int, cause: Exception = RESOLVED) -> Agent:
        left["calls"] += 1
        agent = Agent.objects.create(name="writer")
        if left["calls"] <= failures:
            raise OperationalError("deadlock detected") from cause
        return agent

    make_agent.left = left  # type: ignore[attr-defined]
    return make_agent


@pytest.mark.django_db(transaction=True)
def test_it_is_made_again_from_the_start(make: Any) -> None:
    assert make(2).name == "writer"
    assert Agent.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("failures", "cause", "calls"), [(9, RESOLVED, again.TRIES), (1, Exception("database is locked"), 1)]
)
def test_what_does_not_pass_is_told(make: Any, failures: int, cause: Exception, calls: int) -> None:
    with pytest.raises(OperationalError):
        make(failures, cause)
    assert make.left["calls"] == calls
    assert not Agent.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_part_of_another_transaction_is_not_made_again_alone(make: Any) -> None:
    with pytest.raises(OperationalError), transaction.atomic():
        make(1)
    assert make.left["calls"] == 1
    assert not connection.in_atomic_block
