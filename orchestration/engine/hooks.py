"""An agent's own extension around its calls: what it changes before, and after."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.conf import settings

from orchestration.engine.talks import Talk
from orchestration.errors import ExtensionFailed, InvalidInput
from orchestration.extensions import AgentExtension, Answer, ModelCall, agent_extension
from orchestration.extensions.isolation import apart, called
from orchestration.policy.options import RUNNER_OPTIONS, check_options
from orchestration.policy.states import TaskType
from orchestration.policy.storing import all_storable, storable
from orchestration.policy.vectors import problem_of
from orchestration.services.attempts import AttemptResult
from orchestration.services.work import AttemptWork

_UNUSED: dict[str, dict[str, Any]] = {
    TaskType.GENERATE: {"inputs": (), "messages": ()},
    TaskType.CHAT: {"inputs": (), "prompt": "", "system": ""},
    TaskType.EMBED: {"prompt": "", "system": "", "messages": ()},
}
"""Where each type has its words. The system prompt of a chat is its first message."""


async def around(talk: Talk, ask: Callable[[], Awaitable[AttemptResult]]) -> AttemptResult:
    """Asks with what ``before`` made of the work; the result is what ``after`` makes of the answer."""
    name = talk.work.extension
    extension = await asyncio.to_thread(agent_extension, name)
    call = await _before(talk, extension, f"The agent extension {name}")
    result = await ask()
    return await _after(call, extension, result, f"The agent extension {name}")


async def _run(function: Callable[..., Any], *arguments: Any, what: str) -> Any:
    limit = settings.DROVER_EXTENSION_CALL.total_seconds()
    try:
        async with asyncio.timeout(limit) as watch:
            return await apart(lambda: called(function, *arguments), what=what)
    except TimeoutError as error:
        if not watch.expired():
            raise
        raise ExtensionFailed(f"{what} did not answer within {limit:g} s.") from error


async def _before(talk: Talk, extension: AgentExtension, what: str) -> ModelCall:
    call = _call_of(talk)
    function = getattr(extension, "before", None)
    if function is None:
        return call
    changed = await _run(function, call, what=f"{what}, before(),")
    if not isinstance(changed, ModelCall):
        raise ExtensionFailed(f"{what}: before() gave {type(changed).__name__}, not the call.")
    if problem := _problem_of_call(changed):
        raise ExtensionFailed(f"{what}: before() gave a call {problem}.")
    _apply(talk, call, changed, what)
    return changed


def _call_of(talk: Talk) -> ModelCall:
    work = talk.work
    call = ModelCall(
        type=work.type,
        agent=work.agent_name,
        model=work.model,
        prompt=work.prompt,
        inputs=list(work.inputs),
        messages=list(work.messages),
        system=work.system,
        options=_of_calls(work.options),
        parameters=dict(work.parameters),
    )
    return replace(call, **_UNUSED.get(work.type, {}))


def _of_calls(options: Mapping[str, Any]) -> dict[str, Any]:
    """Without those that a loaded model is known by, which no call may change."""
    return {name: value for name, value in options.items() if name not in RUNNER_OPTIONS}


def _problem_of_call(call: Any) -> str:
    """Whatever its types say: others have made it."""
    if not isinstance(call.prompt, str) or not isinstance(call.system, str):
        return "whose prompt or system is no text"
    if not all(isinstance(part, Sequence) for part in (call.inputs, call.messages)):
        return "whose inputs or messages are no lists"
    if not isinstance(call.options, Mapping):
        return "whose options are no mapping"
    if not all(isinstance(text, str) for text in call.inputs):
        return "whose inputs are not texts"
    if not all(isinstance(message, Mapping) and isinstance(message.get("role"), str) for message in call.messages):
        return "whose messages are not objects with a role"
    return ""


def _apply(talk: Talk, call: ModelCall, changed: ModelCall, what: str) -> None:
    """The context stays as granted."""
    try:
        options = check_options({**all_storable(changed.options), "num_ctx": talk.work.num_ctx})
        messages = json.loads(json.dumps(all_storable(list(changed.messages))))
    except InvalidInput as error:
        raise ExtensionFailed(f"{what}: before() gave options: {error.message}") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise ExtensionFailed(f"{what}: before() gave messages that JSON cannot say: {error}") from error
    work = talk.work
    new = dict(changed.options) != dict(call.options)
    if new:
        options = {**{name: value for name, value in work.options.items() if name in RUNNER_OPTIONS}, **options}
    talk.work = replace(
        work,
        prompt=storable(changed.prompt),
        inputs=[storable(text) for text in changed.inputs],
        messages=messages,
        system=storable(changed.system),
        options=options if new else work.options,
        origins=_origins(work, options) if new else work.origins,
    )


def _origins(work: AttemptWork, options: Mapping[str, Any]) -> dict[str, str]:
    changed = [name for name, value in options.items() if work.options.get(name) != value]
    beside = {name: origin for name, origin in work.origins.items() if name in options or name not in work.options}
    return {**beside, **dict.fromkeys(changed, f"extension {work.extension}")}


async def _after(call: ModelCall, extension: AgentExtension, result: AttemptResult, what: str) -> AttemptResult:
    function = getattr(extension, "after", None)
    if function is None:
        return result
    answer = Answer(
        text=result.output,
        thinking=result.thinking,
        tool_calls=list(result.tool_calls),
        vectors=result.vectors,
        done_reason=result.done_reason,
    )
    changed = await _run(function, call, answer, what=f"{what}, after(),")
    if not isinstance(changed, Answer) or not isinstance(changed.text, str) or not isinstance(changed.thinking, str):
        raise ExtensionFailed(f"{what}: after() gave {type(changed).__name__}, not an answer.")
    if changed.vectors is not None and (problem := problem_of(changed.vectors)):
        raise ExtensionFailed(f"{what}: after() gave vectors {problem}.")
    return replace(
        result,
        output=storable(changed.text),
        thinking=storable(changed.thinking),
        vectors=changed.vectors,
    )
