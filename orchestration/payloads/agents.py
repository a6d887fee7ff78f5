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


class AgentApplies(TypedDict):
    """What its tasks get, where it says nothing itself: its kind's."""

    system_prompt: str
    think: bool | str | None


class AgentPayload(TypedDict):
    """``system_prompt`` and ``think`` are null where the agent says nothing; an empty prompt is none at all."""

    id: int
    name: str
    description: str
    kind: str
    models: list[str]
    config: AgentConfig
    system_prompt: str | None
    preset: str
    options: dict[str, Any]
    think: bool | str | None
    fallbacks: list[str]
    prefer_labels: list[str]
    answer_schema: dict[str, Any] | None
    memory_enabled: bool
    router: str
    extension: str
    applies: AgentApplies
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
        preset=row.preset,
        options=row.options,
        think=row.think,
        fallbacks=row.fallbacks,
        prefer_labels=row.prefer_labels,
        answer_schema=row.answer_schema,
        memory_enabled=row.memory_enabled,
        router=row.router,
        extension=row.extension,
        applies=AgentApplies(system_prompt=row.prompt_in_force, think=row.think_in_force),
        owner=owner_name(row),
        created_at=stamp(row.created_at),
        updated_at=stamp(row.updated_at),
    )
