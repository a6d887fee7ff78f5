"""Rows as the services leave them, and what the database says to rows that must not be."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from orchestration.models import Agent, Attempt, Lane, Node, Run, Task, User

MODEL = "llama3.2:latest"
MakeTask = Callable[..., Task]
MakeAttempt = Callable[..., Attempt]
Refused = Callable[[], AbstractContextManager[None]]


@pytest.fixture
def lane(db: None) -> Lane:
    return Lane.objects.create(key="of llama3.2", models=[MODEL], num_ctx=4096)


@pytest.fixture
def run(agent: Agent, bob: User) -> Run:
    return Run.objects.create(kind="batch", owner=bob, agent=agent, agent_name=agent.name)


@pytest.fixture
def make_task(run: Run, lane: Lane, agent: Agent, bob: User) -> MakeTask:
    def make(status: str = "pending", **fields: Any) -> Task:
        kept = {"run": run, "lane": lane, "owner": bob, "agent": agent, "agent_name": agent.name}
        return Task.objects.create(status=status, type="generate", title="Name a river", **{**kept, **fields})

    return make


@pytest.fixture
def make_attempt(node: Node) -> MakeAttempt:
    """An unfinished one, holding the first slot of the node unless told otherwise."""

    def make(task: Task, **fields: Any) -> Attempt:
        now = timezone.now()
        node_of_it = fields.pop("node", node)
        kept = {
            "number": 1,
            "node_name": node_of_it.name,
            "model_name": MODEL,
            "num_ctx": 4096,
            "slot": 0,
            "token": secrets.token_hex(16),
            "granted_at": now,
            "lease_until": now + timedelta(seconds=30),
        }
        return Attempt.objects.create(task=task, node=node_of_it, **{**kept, **fields})

    return make


@pytest.fixture
def refused() -> Refused:
    """The database itself says no; what was there before stays and can be worked with."""

    @contextmanager
    def by_the_database() -> Iterator[None]:
        with pytest.raises(IntegrityError), transaction.atomic():
            yield

    return by_the_database
