"""What a worker is handed for one attempt: the frozen task, merged with what is decided about its model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings

from orchestration.models import Attempt, Node, Task
from orchestration.policy.passages import asked, asked_in_chat, read
from orchestration.queries.facts import model_facts

LONGEST = timedelta(days=3650)
"""Any longer wish means this: there are numbers of seconds that no timedelta holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptWork:
    """Everything a worker needs for one attempt. ``options`` are Ollama's, with ``num_ctx``; ``parameters`` are the
    task's as sent, ``extension`` is the agent's. ``headers`` are the node's, sealed."""

    attempt_id: int
    task_id: int
    token: str
    number: int
    node_id: int
    node_name: str
    base_url: str
    verify_tls: bool
    model: str
    model_loaded: bool
    capabilities: tuple[str, ...]
    num_ctx: int
    type: str
    prompt: str
    inputs: list[str]
    messages: list[dict[str, Any]]
    system: str
    images: list[str]
    options: dict[str, Any]
    format: Any
    tools: list[dict[str, Any]] | None
    think: Any
    keep_alive: timedelta
    timeout: timedelta | None
    digest: str = ""
    agent_name: str = ""
    extension: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    headers: str = field(default="", repr=False)


def work_of(attempt: Attempt, task: Task, node: Node) -> AttemptWork:
    facts = model_facts(node.pk, attempt.model_name)
    timeout = task.timeout_seconds or facts.timeout_seconds
    keep_alive = max(task.keep_alive_seconds or 0, facts.keep_alive_seconds)
    return AttemptWork(
        attempt_id=attempt.pk,
        task_id=task.pk,
        token=attempt.token,
        number=attempt.number,
        node_id=node.pk,
        node_name=node.name,
        base_url=node.base_url,
        verify_tls=node.verify_tls,
        model=attempt.model_name,
        model_loaded=facts.loaded_context == attempt.num_ctx,
        capabilities=facts.capabilities,
        num_ctx=attempt.num_ctx,
        type=task.type,
        prompt=asked(task.input, read(task.passages)) if isinstance(task.input, str) else "",
        inputs=[task.input] if isinstance(task.input, str) else task.input,
        messages=_messages(task),
        system=task.system_prompt,
        images=task.images,
        options={**facts.options, **task.options, "num_ctx": attempt.num_ctx},
        format=task.format,
        tools=task.tools,
        think=task.think,
        keep_alive=max(_span(keep_alive), settings.DROVER_KEEP_ALIVE),
        timeout=_span(timeout) if timeout else None,
        digest=facts.digest,
        agent_name=task.agent_name,
        extension=task.extension,
        parameters=task.parameters,
        headers=node.sealed_headers,
    )


def _span(seconds: float) -> timedelta:
    return timedelta(seconds=min(LONGEST.total_seconds(), seconds))


def _messages(task: Task) -> list[dict[str, Any]]:
    """The conversation as Ollama takes it: the agent's system prompt first unless the caller brought one."""
    messages = asked_in_chat(task.messages or [{"role": "user", "content": task.input}], read(task.passages))
    if task.images:
        last = max((i for i, message in enumerate(messages) if message["role"] == "user"), default=len(messages) - 1)
        messages = [{**m, "images": task.images} if i == last else m for i, m in enumerate(messages)]
    if task.system_prompt and messages[0]["role"] != "system":
        messages = [{"role": "system", "content": task.system_prompt}, *messages]
    return messages
