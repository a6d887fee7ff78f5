"""Code of others, in threads of their own: what it raises, how it is stopped, and when it is left behind."""

import asyncio
import threading

import pytest

from orchestration.errors import ExtensionFailed, Refused, Unprocessable
from orchestration.extensions import isolation
from orchestration.extensions.isolation import apart, called, left_behind, within


@pytest.fixture
def gate():
    """Closed until the end of the test: what waits for it hangs, but not for ever."""
    event = threading.Event()
    yield event
    event.set()
    for _, thread in list(isolation._stuck):
        thread.join(10)


def test_a_result_comes_from_another_thread():
    assert within(5, threading.get_ident, what="It") != threading.get_ident()


@pytest.mark.parametrize("error", [ValueError("bad"), SystemExit(1), KeyboardInterrupt(), TimeoutError("slow")])
def test_whatever_is_raised_becomes_one_error(error):
    def fail():
        raise error

    with pytest.raises(ExtensionFailed, match=f"^It failed: {type(error).__name__}"):
        within(5, fail, what="It")


def test_an_error_that_cannot_be_put_into_words_is_told_by_its_name():
    class Speechless(Exception):
        def __str__(self):
            raise RuntimeError

    def fail():
        raise Speechless

    with pytest.raises(ExtensionFailed, match="Speechless: it cannot say what"):
        within(5, fail, what="It")


def test_errors_of_drovers_own_tree_are_passed_on():
    def refuse():
        raise Unprocessable("not this one")

    with pytest.raises(Unprocessable, match="not this one"):
        within(5, refuse, what="It")


def test_long_words_are_cut():
    def fail():
        raise ValueError("x" * 5000)

    with pytest.raises(ExtensionFailed) as caught:
        within(5, fail, what="It")
    assert len(caught.value.message) < 600


def test_who_hangs_is_left_behind_and_after_a_few_not_run_again(gate):
    for _ in range(isolation.STUCK_AT_MOST):
        with pytest.raises(ExtensionFailed, match="did not answer"):
            within(0.05, gate.wait, what="The slow one")
    assert left_behind("The slow one") == isolation.STUCK_AT_MOST
    with pytest.raises(ExtensionFailed, match="still hang"):
        within(5, lambda: 1, what="The slow one")
    assert within(5, lambda: 1, what="Another one") == 1


async def test_a_coroutine_has_a_thread_and_a_loop_of_its_own():
    async def work():
        return threading.get_ident(), asyncio.get_running_loop()

    thread, loop = await apart(work, what="It")
    assert thread != threading.get_ident()
    assert loop is not asyncio.get_running_loop()


async def test_what_a_coroutine_raises_is_told():
    async def work():
        raise LookupError("nothing there")

    with pytest.raises(ExtensionFailed, match="LookupError: nothing there"):
        await apart(work, what="It")


async def test_an_error_of_a_node_is_passed_on():
    async def work():
        raise Refused("no", status=404)

    with pytest.raises(Refused):
        await apart(work, what="It")


async def test_one_that_cancels_itself_has_failed():
    async def work():
        raise asyncio.CancelledError

    with pytest.raises(ExtensionFailed, match="stopped itself"):
        await apart(work, what="It")


async def test_cancelled_it_may_tidy_up():
    begun, seen = threading.Event(), []

    async def work():
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            seen.append("tidied up")

    task = asyncio.create_task(apart(work, what="It", on_stop=lambda: seen.append("stopping")))
    await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["stopping", "tidied up"]
    assert left_behind("It") == 0


async def test_one_that_does_not_await_is_left_behind(gate):
    begun = threading.Event()

    async def work():
        begun.set()
        gate.wait(10)

    task = asyncio.create_task(apart(work, what="The deaf one", grace=0.05))
    await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert left_behind("The deaf one") == 1


async def test_a_function_is_called_like_a_coroutine_function():
    async def later(value):
        return value

    assert await called(lambda value: value, 1) == await called(later, 1) == 1
