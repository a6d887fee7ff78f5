"""What a worker is handed for one attempt: the frozen task, merged with what is decided about its model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from orchestration.models import Attempt, Node, Task
from orchestration.policy.effective import KEEP_ALIVE
from orchestration.policy.options import OPTIONS
from orchestration.policy.passages import asked, asked_in_chat, read
from orchestration.queries.facts import FOREVER_SECONDS, in_force, model_facts, span

LONGEST = timedelta(seconds=FOREVER_SECONDS)


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
    origins: Mapping[str, str] = field(default_factory=dict)
    """Who decided each option, and what else is decided level by level."""
    agent_name: str = ""
    extension: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    headers: str = field(default="", repr=False)


def work_of(attempt: Attempt, task: Task, node: Node) -> AttemptWork:
    facts = model_facts(node.pk, attempt.model_name)
    said = in_force(task, facts.said, attempt.num_ctx)
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
        options={name: found.value for name, found in said.items() if name in OPTIONS},
        format=task.format,
        tools=task.tools,
        think=said["think"].value if "think" in said else None,
        keep_alive=span(said[KEEP_ALIVE].value),
        timeout=span(said["timeout_seconds"].value) if "timeout_seconds" in said else None,
        origins={name: found.origin for name, found in said.items()},
        digest=facts.digest,
        agent_name=task.agent_name,
        extension=task.extension,
        parameters=task.parameters,
        headers=node.sealed_headers,
    )


def _messages(task: Task) -> list[dict[str, Any]]:
    """The conversation as Ollama takes it: the agent's system prompt first unless the caller brought one."""
    messages = asked_in_chat(task.messages or [{"role": "user", "content": task.input}], read(task.passages))
    if task.images:
        last = max((i for i, message in enumerate(messages) if message["role"] == "user"), default=len(messages) - 1)
        messages = [{**m, "images": task.images} if i == last else m for i, m in enumerate(messages)]
    if task.system_prompt and messages[0]["role"] != "system":
        messages = [{"role": "system", "content": task.system_prompt}, *messages]
    return messages
