"""Reads that several sockets want at once."""

import asyncio
import threading

import pytest

from dashboard.live.reads import SharedReads, read


class Source:
    """Counts how often it is asked, and answers when it is let."""

    def __init__(self):
        self.asked = 0
        self.may_answer = threading.Event()

    def __call__(self):
        self.asked += 1
        assert self.may_answer.wait(10)
        return self.asked


@pytest.fixture
def source():
    source = Source()
    yield source
    source.may_answer.set()


def now():
    return asyncio.get_running_loop().time()


async def test_who_asks_at_the_same_moment_shares_one_answer(source):
    reads, moment = SharedReads(), now()
    asking = [asyncio.create_task(reads.get("x", moment, source)) for _ in range(5)]
    await asyncio.sleep(0)
    source.may_answer.set()
    assert await asyncio.gather(*asking) == [1] * 5


async def test_who_needs_newer_news_does_not_take_the_older_answer(source):
    reads = SharedReads()
    older = asyncio.create_task(reads.get("x", now(), source))
    await asyncio.sleep(0)
    newer = asyncio.create_task(reads.get("x", now() + 1, source))
    await asyncio.sleep(0)
    source.may_answer.set()
    await asyncio.gather(older, newer)
    assert source.asked == 2


async def test_who_gives_up_does_not_take_the_answer_from_the_others(source):
    reads, moment = SharedReads(), now()
    one, other = (asyncio.create_task(reads.get("x", moment, source)) for _ in range(2))
    await asyncio.sleep(0)
    one.cancel()
    source.may_answer.set()
    assert await other == 1


async def test_an_error_reaches_who_asked():
    def broken():
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await read(broken)


async def test_a_newer_read_may_end_before_an_older_one():
    gates, asked, reads, faults = [threading.Event(), threading.Event()], [], SharedReads(), []
    loop, began = asyncio.get_running_loop(), asyncio.Event()
    loop.set_exception_handler(lambda _, context: faults.append(context))

    def source():
        asked.append(len(asked))
        number = asked[-1]
        loop.call_soon_threadsafe(began.set)
        assert gates[number].wait(10)
        return number

    older = asyncio.create_task(reads.get("x", now(), source))
    await began.wait()
    newer = asyncio.create_task(reads.get("x", now() + 1, source))
    for number, task in ((1, newer), (0, older)):
        gates[number].set()
        assert await task == number
    await asyncio.sleep(0)
    assert faults == []
