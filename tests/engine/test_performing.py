"""What becomes of a job, whatever it does."""

import asyncio

import pytest
from rq.job import Job

from orchestration.engine.handles import Handle, StopReason
from orchestration.engine.performing import perform


def in_thread(call):
    return asyncio.get_running_loop().run_in_executor(None, call)


def handle_of(name, *args):
    return Handle(Job.create(f"tests.engine.sample_jobs.{name}", args, connection=object()))


@pytest.mark.parametrize(("name", "args", "value"), [("add", (2, 3), 5), ("double", (21,), 42)])
async def test_functions_and_coroutines_give_their_value(name, args, value):
    outcome = await perform(handle_of(name, *args), None, in_thread)
    assert (outcome.value, outcome.error, outcome.stopped) == (value, "", False)


async def test_what_breaks_leaves_its_traceback(caplog):
    outcome = await perform(handle_of("break_down"), None, in_thread)
    assert "LookupError: this job is broken" in outcome.error
    assert "failed" in caplog.text


async def test_what_is_stopped_is_not_an_error():
    handle = handle_of("sleep_long")
    performing = asyncio.create_task(perform(handle, None, in_thread))
    await asyncio.sleep(0)
    handle.stop(StopReason.CANCELLED)
    outcome = await performing
    assert (outcome.stopped, outcome.error) == (True, "")
