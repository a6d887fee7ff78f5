"""The deadline that guards the waits of a call."""

import asyncio

import pytest

from orchestration.ollama.watchdog import Watchdog


async def test_a_wait_past_the_deadline_times_out_and_the_task_lives_on():
    watchdog = Watchdog(0.01)
    with pytest.raises(TimeoutError), watchdog:
        await asyncio.Event().wait()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_shorter_allowance_takes_effect_although_a_longer_one_came_before():
    watchdog = Watchdog(3600)
    with watchdog:
        await asyncio.sleep(0)
    watchdog.allow(0.01)
    with pytest.raises(TimeoutError), watchdog:
        await asyncio.Event().wait()


async def test_a_longer_allowance_postpones_the_end():
    watchdog = Watchdog(0.01)
    with watchdog:
        await asyncio.sleep(0)
    watchdog.allow(3600)
    fired = asyncio.Event()
    with watchdog:
        asyncio.get_running_loop().call_later(0.05, fired.set)
        await fired.wait()
    watchdog.close()


async def test_time_between_two_waits_does_not_count():
    watchdog = Watchdog(0.01)
    with watchdog:
        await asyncio.sleep(0)
    passed = asyncio.Event()
    asyncio.get_running_loop().call_later(0.05, passed.set)
    await passed.wait()
    watchdog.allow(3600)
    with watchdog:
        await asyncio.sleep(0)
    watchdog.close()


async def test_a_cancellation_that_comes_together_with_the_deadline_is_not_swallowed():
    watchdog = Watchdog(0)

    async def wait():
        with watchdog:
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    asyncio.get_running_loop().call_soon(asyncio.get_running_loop().call_soon, task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_inside_keeps_its_kind_before_the_deadline():
    watchdog = Watchdog(3600)
    with pytest.raises(LookupError), watchdog:
        raise LookupError
    watchdog.close()
