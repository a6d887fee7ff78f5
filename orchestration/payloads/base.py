"""What all shapes share: time stamps and names of owners."""

from datetime import UTC, datetime

from orchestration.models import Agent, Run, Task


def iso(at: datetime | None) -> str | None:
    return None if at is None else stamp(at)


def stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def owner_name(task: Task | Run | Agent) -> str | None:
    return task.owner.username if task.owner else None
