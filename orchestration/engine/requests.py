"""What an attempt asks of its node: the arguments of the client's call, and the record of it that is kept."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from orchestration.ollama.wire import format_keep_alive
from orchestration.policy.states import TaskType
from orchestration.services.work import AttemptWork

LONGEST_KEPT_TEXT = 20_000

LONGEST_SHOWN_AGAIN = 20_000
"""Characters of a wrong answer that the model is shown."""

_PATHS: dict[str, str] = {
    TaskType.GENERATE: "/api/generate",
    TaskType.CHAT: "/api/chat",
    TaskType.EMBED: "/api/embed",
}


def arguments(work: AttemptWork) -> dict[str, Any]:
    """Of ``client.generate``, ``client.chat`` or ``client.embed``, by the type of the task."""
    common = common_arguments(work)
    if work.type == TaskType.EMBED:
        return {**common, "inputs": work.inputs}
    answering = {"format": work.format, "think": think_of(work, work.think)}
    if work.type == TaskType.CHAT:
        return {**common, **answering, "messages": work.messages, "tools": work.tools}
    return {**common, **answering, "prompt": work.prompt, "system": work.system or None, "images": work.images}


def common_arguments(work: AttemptWork) -> dict[str, Any]:
    return {"model": work.model, "options": work.options, "keep_alive": work.keep_alive}


def think_of(work: AttemptWork, wanted: Any) -> Any:
    """It is said aloud to a model that can think: left out, it would think anyway."""
    return True if wanted is None and "thinking" in work.capabilities else wanted


def repairing(work: AttemptWork, answer: str, problem: str) -> dict[str, Any]:
    """The same once more, after the answer and what is wrong with it."""
    wanted = "JSON" if isinstance(work.format, str) else "JSON that follows the schema"
    plea = f"That is not the {wanted} that was asked for. {problem}\nAnswer again, with the {wanted} and nothing else."
    shown = answer[:LONGEST_SHOWN_AGAIN]
    sent = arguments(work)
    if work.type == TaskType.CHAT:
        said = [{"role": "assistant", "content": shown}, {"role": "user", "content": plea}]
        return {**sent, "messages": [*work.messages, *said]}
    return {**sent, "prompt": f"{work.prompt}\n\nYour answer was:\n\n{shown}\n\n{plea}"}


def record(work: AttemptWork, sent: Mapping[str, Any], *, calls: int = 1, from_cache: int = 0) -> dict[str, Any]:
    """The request as people read it later: without images, long texts cut."""
    kept = {name: _kept(value) for name, value in sent.items() if name != "images" and value is not None}
    what = {"path": _PATHS[work.type]} if work.type in _PATHS else {"handler": work.type}
    counted = {**({"calls": calls} if calls != 1 else {}), **({"from_cache": from_cache} if from_cache else {})}
    return {**what, **counted, **kept}


def _kept(value: Any) -> Any:
    match value:
        case str() if len(value) > LONGEST_KEPT_TEXT:
            return f"{value[:LONGEST_KEPT_TEXT]}… ({len(value)} characters)"
        case timedelta():
            return format_keep_alive(value)
        case Mapping():
            return {name: _kept(part) for name, part in value.items() if name != "images"}
        case list() | tuple():
            return [_kept(part) for part in value]
    return value
