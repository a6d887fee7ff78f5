"""Agents on the wire."""

from typing import Any, NotRequired

from typing_extensions import TypedDict

from orchestration.models import Agent
from orchestration.payloads.base import RetryPayload, owner_name, retry, stamp


class AgentConfig(TypedDict):
    max_concurrent_tasks: int
    default_model: str
    timeout_seconds: float | None
    max_tries: int | None
    retry: RetryPayload
    routing_preferences: dict[str, str]


class AgentPayload(TypedDict):
    id: int
    name: str
    description: str
    kind: str
    models: list[str]
    config: AgentConfig
    system_prompt: str
    options: dict[str, Any]
    owner: str | None
    created_at: str
    updated_at: str
    warnings: NotRequired[list[str]]


def agent(row: Agent) -> AgentPayload:
    return AgentPayload(
        id=row.pk,
        name=row.name,
        description=row.description,
        kind=row.kind,
        models=row.models,
        config=AgentConfig(
            max_concurrent_tasks=row.max_concurrent_tasks,
            default_model=row.default_model,
            timeout_seconds=row.timeout_seconds,
            max_tries=row.max_tries,
            retry=retry(row),
            routing_preferences=row.routing_preferences,
        ),
        system_prompt=row.system_prompt,
        options=row.options,
        owner=owner_name(row),
        created_at=stamp(row.created_at),
        updated_at=stamp(row.updated_at),
    )
