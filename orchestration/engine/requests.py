"""What an attempt asks of its node: the arguments of the client's call, and the record of it that is kept."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from orchestration.errors import Unprocessable
from orchestration.ollama.wire import format_keep_alive
from orchestration.policy.states import TaskType
from orchestration.services.work import AttemptWork

LONGEST_KEPT_TEXT = 20_000

_PATHS = {TaskType.GENERATE: "/api/generate", TaskType.CHAT: "/api/chat", TaskType.EMBED: "/api/embed"}


def arguments(work: AttemptWork) -> dict[str, Any]:
    """Of ``client.generate``, ``client.chat`` or ``client.embed``, by the type of the task."""
    common = {"model": work.model, "options": work.options, "keep_alive": work.keep_alive}
    match work.type:
        case TaskType.EMBED:
            return {**common, "inputs": work.inputs}
        case TaskType.CHAT:
            return {**common, **_answering(work), "messages": work.messages, "tools": work.tools}
        case TaskType.GENERATE:
            texts = {"prompt": work.prompt, "system": work.system or None, "images": work.images}
            return {**common, **_answering(work), **texts}
        case unknown:
            raise Unprocessable(f"No worker knows how to run a task of type {unknown!r}.")


def _answering(work: AttemptWork) -> dict[str, Any]:
    """``think`` is said aloud to a model that can think: left out, it would think anyway."""
    think = True if work.think is None and "thinking" in work.capabilities else work.think
    return {"format": work.format, "think": think}


def record(work: AttemptWork, sent: Mapping[str, Any]) -> dict[str, Any]:
    """The request as people read it later: without images, long texts cut."""
    kept = {name: _kept(value) for name, value in sent.items() if name != "images" and value is not None}
    return {"path": _PATHS[TaskType(work.type)], **kept}


def _kept(value: Any) -> Any:
    match value:
        case str() if len(value) > LONGEST_KEPT_TEXT:
            return f"{value[:LONGEST_KEPT_TEXT]}… ({len(value)} characters)"
        case timedelta():
            return format_keep_alive(value)
        case dict():
            return {name: _kept(part) for name, part in value.items() if name != "images"}
        case list() | tuple():
            return [_kept(part) for part in value]
    return value
