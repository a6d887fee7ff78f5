"""Database work from async handlers holds its connection no longer than the work."""

import asyncio
import threading

import pytest
from asgiref.sync import ThreadSensitiveContext
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from orchestration.api.threads import give_up_request_thread, in_any_thread, in_request_thread

pytestmark = pytest.mark.django_db(transaction=True)


def ask(number: int) -> tuple[int, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s", [number])
        return int(cursor.fetchone()[0]), threading.current_thread().name


@pytest.mark.parametrize("run", [in_request_thread, in_any_thread])
async def test_the_answer_comes_from_a_thread(run) -> None:
    number, thread = await run(ask, 7)
    assert number == 7
    assert thread != threading.current_thread().name


@pytest.mark.parametrize("run", [in_request_thread, in_any_thread])
async def test_no_connection_is_left_open(run) -> None:
    def work() -> BaseDatabaseWrapper:
        ask(1)
        own = connections["default"]
        assert own.connection is not None
        return own

    used = await run(work)
    assert used.connection is None


async def test_errors_come_through() -> None:
    def fail() -> None:
        raise LookupError("nothing here")

    with pytest.raises(LookupError, match="nothing here"):
        await in_any_thread(fail)


async def test_work_of_no_request_runs_side_by_side() -> None:
    both = threading.Barrier(2, timeout=20)
    await asyncio.gather(in_any_thread(both.wait), in_any_thread(both.wait))


async def test_a_request_that_waits_keeps_no_thread_and_gets_a_new_one() -> None:
    async with ThreadSensitiveContext():
        before = await in_request_thread(threading.current_thread)
        give_up_request_thread()
        await asyncio.to_thread(before.join, 20)
        assert not before.is_alive()
        assert await in_request_thread(threading.current_thread) is not before


def test_without_a_request_there_is_no_thread_to_give_up() -> None:
    give_up_request_thread()
