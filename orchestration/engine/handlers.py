"""Custom task types: an extension's handler in a thread and loop of its own; its calls are made in this one."""

import asyncio
import json
from typing import Any

from django.conf import settings

from orchestration import extensions
from orchestration.engine.checker import Checker
from orchestration.engine.contexts import Calls, Context
from orchestration.engine.talks import Talk
from orchestration.engine.writer import Writer
from orchestration.errors import ExtensionFailed, InvalidAnswer
from orchestration.extensions.isolation import apart
from orchestration.ollama import wire
from orchestration.policy.states import Phase
from orchestration.policy.storing import storable
from orchestration.policy.vectors import problem_of
from orchestration.services.attempts import AttemptResult


async def handled(talk: Talk, writer: Writer, checker: Checker) -> AttemptResult:
    """The task of a type that an extension brought."""
    work = talk.work
    handler = await asyncio.to_thread(extensions.handler, work.type)
    talk.sent = _shown(talk)
    talk.feed.enter(Phase.GENERATING, f"{work.type} runs")
    calls = Calls(talk, writer)
    context = Context(calls)
    value = await _alive(handler, context, calls)
    context.flush()
    output, vectors = _kept(value, str(talk.feed.text), f"The task type {work.type}")
    if work.format and vectors is None and (problem := await checker.problem(output, work.format)):
        raise InvalidAnswer(f"The answer is not the JSON that was asked for: {problem}", problem=problem)
    return AttemptResult(
        output=storable(output),
        vectors=vectors,
        metrics=talk.metrics or wire.parse_metrics({}),
        first_token_at=talk.feed.first_token_at,
        request=talk.request,
        origins=talk.origins,
        asked=talk.calls > 0,
    )


def _shown(talk: Talk) -> dict[str, Any]:
    work = talk.work
    return {
        "model": work.model,
        "input": work.inputs if len(work.inputs) > 1 else work.prompt,
        "messages": work.messages,
        "parameters": work.parameters,
        "options": work.options,
    }


async def _alive(handler: extensions.TaskHandler, context: Context, calls: Calls) -> Any:
    """The handler's result, as long as it shows that it lives."""
    what = f"The task type {context.type}"
    limit = settings.DROVER_EXTENSION_SILENCE.total_seconds()
    running = asyncio.ensure_future(apart(lambda: handler.run(context), what=what, on_stop=calls.close))
    try:
        while not running.done():
            await asyncio.wait([running], timeout=max(0.05, limit - calls.silent_seconds()))
            if not running.done() and calls.silent_seconds() > limit:
                raise ExtensionFailed(f"{what} showed no sign of life for {limit:g} s.")
        return running.result()
    finally:
        running.cancel()
        await asyncio.wait([running])
        calls.close()


def _kept(value: Any, written: str, what: str) -> tuple[str, list[list[float]] | None]:
    """Text and vectors, of whatever the handler gave."""
    match value:
        case None:
            return written, None
        case str():
            return value, None
        case extensions.Vectors():
            try:
                rows = [list(row) for row in value.rows]
            except TypeError as error:
                raise ExtensionFailed(f"{what} gave vectors that are not lists of numbers.") from error
            if problem := problem_of(rows):
                raise ExtensionFailed(f"{what} gave vectors {problem}.")
            return written, rows
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False), None
    except (TypeError, ValueError, RecursionError) as error:
        raise ExtensionFailed(f"{what} gave a result that JSON cannot say: {error}") from error
