"""Answers that must be JSON: checked, asked for once more, and refused in words."""

import json
from dataclasses import replace

import pytest

from orchestration.engine import texts
from orchestration.engine.feeds import Feed
from orchestration.engine.talks import Talk
from orchestration.errors import InvalidAnswer
from orchestration.ollama import wire
from orchestration.policy.states import TaskStatus
from orchestration.services.attempts import AttemptResult
from tests.engine.conftest import granted
from tests.engine.test_requests import WORK

CITY = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


class FakeNode:
    """Answers the calls with these texts, one after the other, a piece at a time."""

    def __init__(self, *answers, done_reason="stop"):
        self._answers = list(answers)
        self._done_reason = done_reason
        self.asked = []

    def generate(self, **sent):
        return self._answer(sent)

    chat = generate

    async def _answer(self, sent):
        self.asked.append(sent)
        answer = self._answers.pop(0)
        for piece in [answer[:5], answer[5:]]:
            yield wire.parse_chunk({"response": piece, "done": False})
        last = {"response": "", "done": True, "done_reason": self._done_reason}
        yield wire.parse_chunk(last | {"prompt_eval_count": 10, "eval_count": 3, "eval_duration": 1000})


class FakeChecker:
    async def problem(self, text, wanted):
        return "" if text.startswith("{") else "It is no object."


def talk_with(node, **fields):
    feed = Feed({}, attempt_id=1, task_id=1, key=("", ""), limit=0)
    talk = Talk(replace(WORK, type="generate", format=CITY, **fields), feed)
    talk.client = node
    return talk


async def test_an_answer_that_follows_is_asked_for_once():
    talk = talk_with(FakeNode('{"name": "Ulm"}'))
    result = await texts.answered(talk, FakeChecker())
    assert (result.output, result.message, talk.calls) == ('{"name": "Ulm"}', "", 1)


async def test_one_that_does_not_is_shown_to_the_model_and_the_second_one_counts():
    node = FakeNode("I think Ulm.", '{"name": "Ulm"}')
    talk = talk_with(node)
    result = await texts.answered(talk, FakeChecker())
    assert result.output == '{"name": "Ulm"}'
    assert "I think Ulm." in node.asked[1]["prompt"]
    assert "It is no object." in node.asked[1]["prompt"]
    assert "asked once more" in result.message
    assert result.request["calls"] == 2


async def test_the_tokens_of_both_calls_are_counted():
    talk = talk_with(FakeNode("I think Ulm.", '{"name": "Ulm"}'))
    result = await texts.answered(talk, FakeChecker())
    assert (result.metrics.prompt_tokens, result.metrics.output_tokens) == (20, 6)
    assert talk.feed.tokens == 4


async def test_after_two_wrong_ones_it_fails_with_the_last_of_them():
    talk = talk_with(FakeNode("I think Ulm.", "Still Ulm."))
    with pytest.raises(InvalidAnswer, match="nor was the first one: It is no object"):
        await texts.answered(talk, FakeChecker())
    assert talk.output == "Still Ulm."
    assert talk.metrics.output_tokens == 6


async def test_one_that_was_cut_off_says_so():
    talk = talk_with(FakeNode("I thi", "I th", done_reason="length"))
    with pytest.raises(InvalidAnswer, match="cut off"):
        await texts.answered(talk, FakeChecker())


async def test_without_a_format_nothing_is_checked():
    talk = talk_with(FakeNode("I think Ulm."))
    talk.work = WORK
    assert (await texts.answered(talk, FakeChecker())).output == "I think Ulm."


async def test_a_call_of_a_tool_is_no_answer_yet():
    class Tools(FakeNode):
        async def _answer(self, sent):
            call = {"function": {"name": "look", "arguments": {}}}
            yield wire.parse_chunk({"message": {"content": "", "tool_calls": [call]}, "done": True})

    result = await texts.answered(talk_with(Tools()), FakeChecker())
    assert isinstance(result, AttemptResult)
    assert result.tool_calls[0]["function"]["name"] == "look"


@pytest.mark.usefixtures("redis_server")
def test_the_simulated_server_follows_a_schema(grant, run):
    attempt = granted(grant, type="chat", format=CITY, options={"num_predict": 200})
    task = run(attempt)
    assert task.status == TaskStatus.COMPLETED
    assert isinstance(json.loads(task.output)["name"], str)


def tokens_written(gpu):
    return sum(each["tokens"] for each in gpu.state()["requests"])


@pytest.mark.usefixtures("redis_server")
def test_a_server_that_follows_when_asked_again_completes_the_task(grant, run, gpu):
    attempt = granted(grant, type="chat", input="echo: Ulm, I think", format=CITY, options={})
    task = run(attempt)
    assert task.status == TaskStatus.COMPLETED
    assert isinstance(json.loads(task.output)["name"], str)
    assert gpu.state()["counts"]["requests"] == {"/api/chat": 2}
    assert "asked once more" in task.message
    assert task.output_tokens == tokens_written(gpu)


@pytest.mark.usefixtures("redis_server")
def test_one_that_never_does_fails_the_task(grant, run, gpu):
    attempt = granted(grant, type="generate", input="echo: Ulm, I think", format=CITY, options={})
    task = run(attempt)
    assert (task.status, task.error_code) == (TaskStatus.FAILED, "invalid_answer")
    assert "not the JSON that was asked for" in task.error
    assert gpu.state()["counts"]["requests"] == {"/api/generate": 2}
    assert attempt.output_tokens == task.output_tokens == tokens_written(gpu)
    assert task.output


@pytest.mark.usefixtures("redis_server")
def test_plain_json_must_be_json(grant, run):
    task = run(granted(grant, input="echo: no", format="json", options={}))
    assert (task.status, task.error_code) == (TaskStatus.FAILED, "invalid_answer")
