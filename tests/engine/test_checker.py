"""Answers are checked by a process of its own, which may be killed when a schema takes too long."""

import asyncio
import json
import os
import signal
import sys

import pytest

from orchestration.engine import checker as module
from orchestration.engine.checker import Checker
from orchestration.errors import InvalidAnswer

CITY = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
HASTY = "from orchestration.engine import checker; checker.ALONE_SECONDS = 1; checker.serve()"
FOR_EVER = {"type": "string", "pattern": "^(a+)+$"}
MANY_WAYS = {
    "$ref": "#/$defs/p0",
    "$defs": {
        **{f"p{n}": {"anyOf": [{"$ref": f"#/$defs/p{n + 1}"}, {"$ref": f"#/$defs/p{n + 1}"}]} for n in range(40)},
        "p40": {"type": "integer"},
    },
}


@pytest.fixture
async def checker():
    checker = Checker()
    yield checker
    await checker.aclose()


async def test_one_process_answers_many_questions(checker):
    assert await checker.problem('{"name": "Ulm"}', CITY) == ""
    process = checker._process
    assert await checker.problem("{}", CITY) == "the whole: 'name' is a required property."
    assert await checker.problem("no\njson", CITY) != ""
    assert checker._process is process


async def test_plain_json_needs_no_process(checker):
    assert await checker.problem("[1]", "json") == ""
    assert "not valid JSON" in await checker.problem("[1", "json")
    assert checker._process is None


@pytest.mark.parametrize(("schema", "text"), [(FOR_EVER, '"' + 40 * "a" + '!"'), (MANY_WAYS, '"no"')])
async def test_a_schema_that_takes_for_ever_is_given_up(checker, monkeypatch, schema, text):
    monkeypatch.setattr(module, "CHECK_SECONDS", 0.5)
    with pytest.raises(InvalidAnswer, match="took longer than"):
        await checker.problem(text, schema)
    monkeypatch.undo()
    assert await checker.problem('{"name": "Ulm"}', CITY) == ""


async def test_who_stops_waiting_leaves_nothing_for_the_next(checker):
    await checker.problem("{}", CITY)
    asking = asyncio.create_task(checker.problem('"' + 40 * "a" + '!"', FOR_EVER))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait([asking])
    assert await checker.problem('{"name": "Ulm"}', CITY) == ""


async def test_a_process_that_was_killed_is_started_again(checker):
    await checker.problem("{}", CITY)
    os.kill(checker._process.pid, signal.SIGKILL)
    await checker._process.wait()
    assert await checker.problem('{"name": "Ulm"}', CITY) == ""


async def test_a_process_that_dies_with_the_question_is_told_in_words(checker, monkeypatch):
    async def nothing(process, question):
        return b""

    await checker.problem("{}", CITY)
    monkeypatch.setattr(module, "_exchange", nothing)
    with pytest.raises(InvalidAnswer, match="could not be checked"):
        await checker.problem("{}", CITY)


async def test_it_does_not_go_on_for_ever_when_whoever_asked_was_killed(checker, monkeypatch):
    monkeypatch.setattr(module, "COMMAND", [sys.executable, "-c", HASTY])
    await checker.problem("{}", CITY)
    process = checker._process
    process.stdin.write(json.dumps({"text": '"' + 40 * "a" + '!"', "schema": FOR_EVER}).encode() + b"\n")
    assert await asyncio.wait_for(process.wait(), 30) == -signal.SIGALRM


async def test_an_interrupt_at_the_terminal_does_not_end_it_before_its_owner(checker):
    await checker.problem("{}", CITY)
    checker._process.send_signal(signal.SIGINT)
    assert await checker.problem('{"name": "Ulm"}', CITY) == ""
