"""Watching many tasks and runs costs one look for all."""

import asyncio

import pytest
from django.db import OperationalError

from orchestration.api import watching
from orchestration.api.watching import RunState, State, Watch, Watched, run_ended, watch


class Table:
    """Stands for the database: what it holds, and how it was asked."""

    def __init__(self) -> None:
        self.ended: set[int] = set()
        self.asked: list[list[int]] = []
        self.broken = False

    def read(self, ids: list[int]) -> dict[int, State]:
        self.asked.append(ids)
        if self.broken:
            raise OperationalError("the database is locked")
        return {pk: RunState(ended=pk in self.ended) for pk in ids}


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Table:
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.01)
    table = Table()
    monkeypatch.setattr(watching, "run_states", table.read)
    return table


async def until_asked(table: Table, times: int) -> None:
    for _ in range(4000):
        if len(table.asked) >= times:
            return
        await asyncio.sleep(0.005)
    raise AssertionError(f"asked {len(table.asked)} times, not {times}")


async def test_all_who_wait_share_one_look(table: Table) -> None:
    waits = [asyncio.create_task(run_ended(run_id, 60)) for run_id in (1, 2, 2, 3)]
    await until_asked(table, 3)
    assert table.asked[-1] == [1, 2, 3]
    table.ended = {1, 2, 3}
    assert await asyncio.wait_for(asyncio.gather(*waits), 20) == [True] * 4


async def test_nobody_looks_when_nobody_waits(table: Table) -> None:
    table.ended = {1}
    assert await run_ended(1, 60)
    looking = watch(table.read)._looking
    assert looking is not None
    await asyncio.wait_for(looking, 20)
    assert await run_ended(1, 60)
    assert watch(table.read)._looking is not looking


async def test_what_has_not_ended_in_time_is_not_said_to_have(table: Table) -> None:
    assert not await run_ended(1, 0.1)


async def test_a_database_that_is_away_for_a_moment_is_asked_again(table: Table) -> None:
    table.broken = True
    wait = asyncio.create_task(run_ended(1, 60))
    await until_asked(table, 3)
    table.broken, table.ended = False, {1}
    assert await asyncio.wait_for(wait, 20)


async def test_who_leaves_is_forgotten(table: Table) -> None:
    stays = asyncio.create_task(run_ended(1, 60))
    leaves = asyncio.create_task(run_ended(2, 60))
    await until_asked(table, 2)
    leaves.cancel()
    await asyncio.gather(leaves, return_exceptions=True)
    seen = len(table.asked)
    await until_asked(table, seen + 3)
    assert table.asked[-1] == [1]
    table.ended = {1}
    assert await stays


async def test_thousands_are_asked_for_in_slices(table: Table) -> None:
    waits = [asyncio.create_task(run_ended(run_id, 60)) for run_id in range(1200)]
    await until_asked(table, 3)
    assert max(len(ids) for ids in table.asked) <= 500
    table.ended = set(range(1200))
    assert all(await asyncio.wait_for(asyncio.gather(*waits), 60))


async def test_one_loop_has_one_watch_for_one_question(table: Table) -> None:
    assert watch(table.read) is watch(table.read)
    assert isinstance(watch(table.read), Watch)


async def test_a_waiter_who_is_cancelled_as_the_news_comes_is_cancelled() -> None:
    watched = Watched(1)
    waiting = asyncio.create_task(watched.changed(600))
    await asyncio.sleep(0)
    watched.tell(RunState(ended=False))
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
