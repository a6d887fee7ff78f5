"""Tasks that are answered in words: one call, and one more when the answer is not the JSON that was asked for."""

from dataclasses import replace

from orchestration.engine import requests
from orchestration.engine.checker import Checker
from orchestration.engine.talks import Talk
from orchestration.errors import InvalidAnswer
from orchestration.policy.states import Phase
from orchestration.services.attempts import AttemptResult


async def answered(talk: Talk, checker: Checker) -> AttemptResult:
    result = await talk.hear(requests.arguments(talk.work))
    if not talk.work.format or (result.tool_calls and not result.output):
        return result
    problem = await checker.problem(result.output, talk.work.format)
    return await _repaired(talk, checker, result, problem) if problem else result


async def _repaired(talk: Talk, checker: Checker, first: AttemptResult, problem: str) -> AttemptResult:
    """The model is shown its answer and what is wrong with it."""
    talk.feed.enter(Phase.GENERATING, "The answer is not the JSON that was asked for: asked once more")
    result = await talk.hear_again(requests.repairing(talk.work, first.output, problem))
    still = await checker.problem(result.output, talk.work.format)
    if still:
        raise InvalidAnswer(f"{_words(result)}, nor was the first one: {still}", problem=still, first_problem=problem)
    return replace(result, message="The first answer was not the JSON that was asked for: asked once more")


def _words(result: AttemptResult) -> str:
    if result.done_reason == "length":
        return "The answer was cut off at its longest length, so it is not the JSON that was asked for"
    return "The answer is not the JSON that was asked for"
