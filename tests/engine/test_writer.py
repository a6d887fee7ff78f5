"""Many calls in one commit, each for itself: results, failures, and a database that goes away."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
from django.db import DataError, IntegrityError, OperationalError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from orchestration import events
from orchestration.engine import writer as writer_module
from orchestration.engine.writer import Writer, WriterClosed
from orchestration.models import Agent
from tests.engine.conftest import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def writer() -> AsyncIterator[Writer]:
    writer = Writer(group_limit=10)
    writer.start()
    yield writer
    await asyncio.to_thread(writer.close, 5)


@pytest.fixture
def commits(monkeypatch):
    """How large the groups were."""
    sizes = []
    transact = writer_module._transact

    def counted(group):
        sizes.append(len(group))
        transact(group)

    monkeypatch.setattr(writer_module, "_transact", counted)
    return sizes


@transaction.atomic
def add_agent(name):
    return Agent.objects.create(name=name).name


class Gate:
    """Holds the writer up, so that what comes meanwhile becomes one group."""

    def __init__(self, writer):
        self.reached, self.opened = threading.Event(), threading.Event()
        self.call = asyncio.ensure_future(writer.call(self.wait))

    def wait(self):
        self.reached.set()
        assert self.opened.wait(10)

    async def closed(self):
        await asyncio.to_thread(self.reached.wait, 10)

    async def open(self):
        self.opened.set()
        await self.call


async def names():
    return [name async for name in Agent.objects.order_by("name").values_list("name", flat=True)]


async def behind_gate(writer, *calls):
    gate = Gate(writer)
    await gate.closed()
    waiting = [asyncio.ensure_future(writer.call(*call)) for call in calls]
    await asyncio.sleep(0)
    await gate.open()
    return await asyncio.gather(*waiting, return_exceptions=True)


async def test_the_result_of_a_service_comes_back_after_its_commit(writer):
    assert await writer.call(add_agent, name="one") == "one"
    assert await names() == ["one"]


async def test_what_came_while_the_writer_was_busy_is_one_commit(writer, commits):
    results = await behind_gate(writer, *((add_agent, f"a{number}") for number in range(5)))
    assert results == [f"a{number}" for number in range(5)]
    assert commits == [1, 5]


async def test_a_group_has_a_limit(writer, commits):
    await behind_gate(writer, *((add_agent, f"a{number:02d}") for number in range(25)))
    assert commits == [1, 10, 10, 5]
    assert len(await names()) == 25


async def test_one_failing_member_fails_alone(writer, commits):
    def half_done():
        Agent.objects.create(name="never seen")
        raise LookupError("in the middle")

    first, failed, taken, last = await behind_gate(
        writer, (add_agent, "first"), (half_done,), (add_agent, "first"), (add_agent, "last")
    )
    assert (first, last) == ("first", "last")
    assert isinstance(failed, LookupError)
    assert isinstance(taken, IntegrityError)
    assert await names() == ["first", "last"]
    assert commits == [1, 4]


async def gathered(writer, service, *items):
    gate = Gate(writer)
    await gate.closed()
    waiting = [asyncio.ensure_future(writer.add(service, item)) for item in items]
    await asyncio.sleep(0)
    await gate.open()
    return await asyncio.gather(*waiting, return_exceptions=True)


async def test_what_one_service_is_to_do_for_many_is_one_call_of_it(writer, commits):
    calls = []

    def add_agents(names):
        calls.append(list(names))
        return [agent.name.upper() for agent in Agent.objects.bulk_create(Agent(name=name) for name in names)]

    assert await gathered(writer, add_agents, "a", "b", "c") == ["A", "B", "C"]
    assert calls == [["a", "b", "c"]]
    assert commits == [1, 3]


async def test_one_of_many_at_fault_fails_alone(writer, commits):
    def add_agents(names):
        return [add_agent(name) for name in names]

    first, taken, last = await gathered(writer, add_agents, "a", "a", "b")
    assert (first, last) == ("a", "b")
    assert isinstance(taken, IntegrityError)
    assert await names() == ["a", "b"]
    assert commits == [1, 3]


async def test_a_service_that_answers_for_fewer_than_it_was_given_is_at_fault(writer):
    outcome = await gathered(writer, lambda names: names[1:], "a")
    assert [type(error) for error in outcome] == [ValueError]


async def test_when_the_commit_fails_the_others_are_written_one_by_one(writer, commits):
    tried = 0

    def poisons_its_group():
        nonlocal tried
        tried += 1
        raise OperationalError("the transaction is lost")

    before, poison, after = await behind_gate(writer, (add_agent, "a"), (poisons_its_group,), (add_agent, "b"))
    assert (before, after) == ("a", "b")
    assert isinstance(poison, OperationalError)
    assert tried == 1 + writer_module._ALONE_AT_MOST
    assert await names() == ["a", "b"]


async def test_events_of_a_group_leave_together_and_only_of_those_that_were_written(writer, redis_server):
    def announced(name, fails=False):
        with transaction.atomic():
            events.on_commit(("agent", {"name": name}))
            if fails:
                raise DataError("too long")

    await behind_gate(writer, (announced, "a"), (announced, "b", True), (announced, "c"))

    def sent():
        return [fields["d"] for _, fields in events.connection().xrange(events.EVENTS)]

    await asyncio.to_thread(wait_until, sent)
    assert sent() == ['{"name":"a"}', '{"name":"c"}']


async def test_whoever_waits_goes_on_before_those_who_watch_are_told(writer):
    gate = threading.Event()

    def announced():
        transaction.on_commit(lambda: gate.wait(30))
        return "written"

    assert await writer.call(announced) == "written"
    gate.set()


async def test_a_database_that_comes_back_gets_everything(writer, monkeypatch):
    away = threading.Event()
    away.set()
    tries = []
    ensure = BaseDatabaseWrapper.ensure_connection

    def refuse(self):
        if away.is_set():
            tries.append(1)
            raise OperationalError("no connection")
        ensure(self)

    with monkeypatch.context() as patched:
        patched.setattr(BaseDatabaseWrapper, "ensure_connection", refuse)
        calls = [asyncio.ensure_future(writer.call(add_agent, name=f"a{number}")) for number in range(3)]
        await asyncio.to_thread(wait_until, lambda: len(tries) >= 8)
        assert not any(call.done() for call in calls)
        away.clear()
        assert await asyncio.gather(*calls) == ["a0", "a1", "a2"]
    assert await names() == ["a0", "a1", "a2"]


async def test_the_connection_is_made_anew_after_it_broke(writer):
    def break_it():
        connection.connection.close()

    await asyncio.gather(writer.call(break_it), return_exceptions=True)
    assert await writer.call(add_agent, name="after") == "after"


async def test_a_call_nobody_waits_for_any_more_is_left_out(writer, commits):
    gate = Gate(writer)
    await gate.closed()
    call = asyncio.ensure_future(writer.call(add_agent, name="unwanted"))
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    await gate.open()
    await writer.call(add_agent, name="wanted")
    assert await names() == ["wanted"]


async def test_closing_writes_what_waits():
    writer = Writer()
    writer.start()
    gate = Gate(writer)
    await gate.closed()
    waiting = [asyncio.ensure_future(writer.call(add_agent, name=f"a{number}")) for number in range(3)]
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(asyncio.to_thread(writer.close, 5))
    await gate.open()
    await closing
    assert await asyncio.gather(*waiting) == ["a0", "a1", "a2"]
    assert not writer.alive


async def test_a_worker_that_ends_does_not_wait_for_a_dead_database_for_ever(monkeypatch):
    def refuse(self):
        raise OperationalError("no connection")

    writer = Writer()
    with monkeypatch.context() as patched:
        patched.setattr(BaseDatabaseWrapper, "ensure_connection", refuse)
        writer.start()
        call = asyncio.ensure_future(writer.call(add_agent, name="a"))
        await asyncio.sleep(0)
        await asyncio.to_thread(writer.close, 0.3)
        with pytest.raises(WriterClosed):
            await call
    assert not writer.alive


async def test_a_call_after_the_end_is_refused(writer):
    await asyncio.to_thread(writer.close, 5)
    with pytest.raises(WriterClosed):
        await writer.call(add_agent, name="too late")
