"""Rows that no database needs to hold, and a check that a shape is sent as it is described."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import TypeAdapter

from orchestration.models import Task, User

AT = datetime(2026, 3, 1, 9, 30, 0, 123_456, tzinfo=timezone(timedelta(hours=2)))
"""Half past nine on a machine two hours east of Greenwich."""
SENT = "2026-03-01T07:30:00.123Z"
LATER = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)

Exactly = Callable[[Any, Any], None]
MakeTask = Callable[..., Task]


@pytest.fixture
def exactly() -> Exactly:
    """The value has every field of the shape, no other, of these very types, and survives being sent as JSON."""

    def check(shape: Any, value: Any) -> None:
        sent = json.loads(json.dumps(value, allow_nan=False))
        assert sent == value
        assert TypeAdapter(shape).validate_python(sent, strict=True, extra="forbid") == value

    return check


@pytest.fixture
def person() -> User:
    return User(pk=2, username="bob")


@pytest.fixture
def make_task(person: User) -> MakeTask:
    """A task as it comes out of the database, without the database."""

    def make(status: str = "pending", **fields: Any) -> Task:
        kept = {"pk": 7, "run_id": 3, "lane_id": 5, "owner": person, "agent_id": 4, "agent_name": "writer"}
        said = {"type": "generate", "title": "Name a river", "input": "Name a river.", "created_at": AT}
        return Task(status=status, **{**kept, **said, **fields})

    return make
