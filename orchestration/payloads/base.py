"""What shapes share: time stamps, names of owners, how retries are made."""

from datetime import UTC, datetime

from typing_extensions import TypedDict

from orchestration.models import Agent, ModelConfig, Run, Task


class RetryPayload(TypedDict):
    """How failed tries are tried again, beside their number. None and empty: as the next in line says."""

    first_delay_seconds: float | None
    growth: float | None
    on: list[str]


def retry(row: Agent | ModelConfig) -> RetryPayload:
    return RetryPayload(first_delay_seconds=row.retry_delay_seconds, growth=row.retry_growth, on=row.retry_on)


def iso(at: datetime | None) -> str | None:
    return None if at is None else stamp(at)


def stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def owner_name(task: Task | Run | Agent) -> str | None:
    return task.owner.username if task.owner else None
