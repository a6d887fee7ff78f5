"""Stopping a job: at once where it may, later where it must not."""

import asyncio

import pytest
from rq.job import Job

from orchestration.engine.handles import Handle, Stopped, StopReason


@pytest.fixture
def handle():
    return Handle(Job("some-job", connection=object()))


async def in_background(handle, steps):
    """Runs up to the point where the steps wait."""
    task = asyncio.create_task(steps())
    await asyncio.sleep(0)
    return task


async def test_a_stop_strikes_inside_the_interruptible_part(handle):
    async def work():
        with handle.interruptible():
            await asyncio.sleep(600)

    task = await in_background(handle, work)
    handle.stop(StopReason.CANCELLED)
    with pytest.raises(Stopped) as caught:
        await task
    assert caught.value.reason is StopReason.CANCELLED
    assert task.cancelling() == 0


async def test_a_stop_before_it_strikes_at_its_beginning(handle):
    handle.stop(StopReason.SHUTDOWN)
    with pytest.raises(Stopped), handle.interruptible():
        pytest.fail("it must not begin")


async def test_a_stop_after_it_leaves_the_rest_alone(handle):
    gate = asyncio.Event()

    async def work():
        with handle.interruptible():
            await asyncio.sleep(0)
        await gate.wait()
        return "written"

    task = await in_background(handle, work)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    handle.stop(StopReason.CANCELLED)
    gate.set()
    assert await task == "written"


async def test_of_two_reasons_the_greater_counts(handle):
    handle.stop(StopReason.CANCELLED)
    handle.stop(StopReason.LOST)
    handle.stop(StopReason.SHUTDOWN)
    assert handle.reason is StopReason.LOST


async def test_stopped_twice_it_still_ends_in_order(handle):
    written = []

    async def work():
        try:
            with handle.interruptible():
                await asyncio.sleep(600)
        except Stopped as stop:
            await asyncio.sleep(0)
            written.append(stop.reason)

    task = await in_background(handle, work)
    handle.stop(StopReason.CANCELLED)
    handle.stop(StopReason.LOST)
    await asyncio.sleep(0)
    handle.stop(StopReason.LOST)
    await task
    assert written == [StopReason.LOST]


async def test_a_cancellation_that_is_not_a_stop_stays_one(handle):
    async def work():
        with handle.interruptible():
            await asyncio.sleep(600)

    task = await in_background(handle, work)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
