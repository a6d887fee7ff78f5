"""From the body of ``POST tasks`` to what the service takes: defaults of the request merged below each task."""

import re
from datetime import timedelta
from typing import Any

from orchestration.api.schemas import MessageIn, SubmitBody, TaskIn
from orchestration.errors import InvalidInput
from orchestration.services.tasks import TaskSpec

LONGEST_NAME = 200
FOREVER = timedelta(days=3650)
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"-?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|ms|s|m|h))+")
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)")


def specs_of(body: SubmitBody) -> list[TaskSpec]:
    return [_spec(task, body, f"tasks[{number}]") for number, task in enumerate(body.tasks)]


def _spec(task: TaskIn, body: SubmitBody, path: str) -> TaskSpec:
    wish = body.keep_alive if task.keep_alive is None else task.keep_alive
    return TaskSpec(
        type=task.type,
        input=task.input,
        messages=None if task.messages is None else [_message(message) for message in task.messages],
        model_name=task.model_name,
        preset=task.preset or body.preset,
        parameters={**body.parameters, **task.parameters},
        priority=body.priority if task.priority is None else task.priority,
        images=task.images,
        client_ref=task.client_ref,
        metadata=task.metadata,
        tags=[*body.tags, *task.tags],
        title=task.title,
        keep_alive_seconds=None if wish is None else keep_alive_seconds(wish, path),
        timeout_seconds=task.timeout_seconds,
        max_tries=task.max_tries,
        think=task.think,
        format=task.format,
        tools=task.tools,
        context=[_text(item, f"{path}.context[{at}]") for at, item in enumerate(task.context)],
        context_tokens=task.context_tokens,
        document_ids=task.document_ids,
    )


def _message(message: MessageIn) -> dict[str, Any]:
    return message.model_dump(exclude_defaults=True) | {"role": message.role, "content": message.content}


def keep_alive_seconds(wish: float | str, path: str = "") -> float:
    """Seconds of Ollama's spellings: a number, a Go duration such as ``1h30m``, ``0``; negative means for ever."""
    seconds = _duration(wish.strip(), path) if isinstance(wish, str) else float(wish)
    forever = FOREVER.total_seconds()
    return forever if seconds < 0 else min(seconds, forever)


def _duration(text: str, path: str) -> float:
    if text in ("0", "-0"):
        return 0.0
    if not _DURATION.fullmatch(text):
        place = f"{path}.keep_alive" if path else "keep_alive"
        raise InvalidInput(f'{place}: "{text}" is not a duration such as "5m", "1h30m" or "90s".', field="keep_alive")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    return -seconds if text.startswith("-") else seconds


def _text(document: str | dict[str, Any], path: str) -> dict[str, str]:
    """Of a text, or of an object with a text and perhaps a title."""
    if isinstance(document, str):
        return {"text": document}
    text = document.get("text", document.get("content"))
    if not isinstance(text, str):
        raise InvalidInput(f"{path}: a document is a text or has the field text.", field="context")
    return {"text": text, "name": str(document.get("title") or document.get("name") or "")[:LONGEST_NAME]}
