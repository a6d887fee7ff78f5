"""Calls of a handler end with its task: what comes after finds them closed."""

from dataclasses import replace

import pytest

from orchestration.engine.contexts import LONGEST_MESSAGE, Calls, Context
from orchestration.engine.feeds import Feed
from orchestration.engine.talks import Talk
from orchestration.errors import ExtensionFailed
from tests.engine.test_requests import WORK


@pytest.fixture
async def calls():
    talk = Talk(replace(WORK, type="odd"), Feed({}, attempt_id=1, task_id=1, key=("", ""), limit=0))
    return Calls(talk, writer=None)


async def test_once_closed_nothing_more_can_be_said_or_asked(calls):
    context = Context(calls)
    calls.close()
    assert context.cancelled
    with pytest.raises(ExtensionFailed, match="nothing more can be said"):
        context.write("late")
    with pytest.raises(ExtensionFailed, match="nothing more can be said"):
        context.progress(50)
    with pytest.raises(ExtensionFailed, match="can no longer be asked"):
        await context.client.embed(["late"])
    with pytest.raises(ExtensionFailed, match="can no longer be asked"):
        await context.client.generate("late").answer()


async def test_long_messages_are_cut(calls):
    context = Context(calls)
    context.progress(10, "x" * 1000)
    context.flush()
    assert len(calls.talk.feed.message) == LONGEST_MESSAGE


async def test_of_many_reports_the_last_one_is_told(calls):
    context = Context(calls)
    for percent in range(50):
        context.progress(percent, f"{percent} done")
    context.flush()
    assert (calls.talk.feed.percent, calls.talk.feed.message) == (49, "49 done")


async def test_whoever_does_nothing_falls_silent_until_it_shows_that_it_lives(calls):
    calls._alive_at -= 100
    assert calls.silent_seconds() >= 100
    Context(calls).progress(1)
    assert calls.silent_seconds() < 50
