"""What one socket may ask for, and what becomes of it when it does not read."""

import asyncio

import pytest

from dashboard.live import flow, session
from dashboard.live.reads import read
from orchestration import events

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def impatient(monkeypatch):
    """The limits of a socket, so short that a test can wait for them."""
    monkeypatch.setattr(flow, "STALL_SECONDS", 0.5)
    monkeypatch.setattr(session, "BLOCKED_SECONDS", 0.5)
    monkeypatch.setattr(session, "WATCH_SECONDS", 0.05)
    monkeypatch.setattr(session, "BEAT_SECONDS", 0.05)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{",
        "[]",
        "null",
        '{"type":"nonsense"}',
        '{"type":["sub"]}',
        '{"type":"sub"}',
        '{"type":"sub","topic":5}',
        '{"type":"sub","topic":"tasks","filter":5}',
        '{"type":"sub","topic":"' + "x" * 100 + '"}',
        '{"type":"sub","topic":"tasks","filter":"' + "a&" * 2000 + '"}',
        '{"type":"sub","topic":"tasks","filter":"text=%00"}',
        '{"type":"sub","topic":"task:²"}',
        "[" * session.MESSAGE_CHARACTERS,
        '{"type":"ack"}',
        '{"type":"ack","n":true}',
        '{"type":"sub","topic":"tasks","filter":"' + "x" * session.MESSAGE_CHARACTERS + '"}',
    ],
)
async def test_what_is_not_understood_is_an_error_frame(open_tab, message):
    tab = await open_tab()
    await tab.session.receive(message)
    await tab.until(lambda tab: tab.errors == ["invalid_input"])


async def test_subscriptions_are_counted(open_tab):
    tab = await open_tab()
    for number in range(session.SUBSCRIPTIONS + 1):
        await tab.say(type="sub", topic=f"notices#{number}")
    await tab.until(lambda tab: tab.errors and len(tab.snaps) == session.SUBSCRIPTIONS)
    await tab.say(type="unsub", topic="notices#0")
    await tab.subscribe("notices#again")


async def test_nothing_comes_of_a_topic_after_its_end(open_tab):
    tab = await open_tab()
    await tab.subscribe("load")
    await tab.subscribe("load#2")
    await tab.say(type="unsub", topic="load")
    events.publish([("load", {"n": 1})])
    await tab.until(lambda tab: tab.deltas("load#2", "data"))
    assert tab.deltas("load", "data") == []


async def test_a_quiet_socket_gets_beats_while_redis_answers(open_tab, impatient, redis_server):
    tab = await open_tab()
    await tab.until(lambda tab: [frame for frame in tab.frames if frame["type"] == "beat"])
    await asyncio.to_thread(redis_server.stop)
    await tab.until(lambda tab: not tab.session.hub.connected)
    heard = tab.received
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(tab.until(lambda tab: tab.received > heard + 1), 1)


async def test_a_reader_that_confirms_nothing_is_let_go(open_tab, impatient):
    tab = await open_tab()
    tab.acks = False
    await tab.subscribe("load")
    await tab.until(lambda tab: tab.closed_with == session.TOO_SLOW)
    assert tab.received <= flow.UNACKED_FRAMES


async def test_a_reader_that_takes_nothing_is_let_go(open_tab, impatient):
    tab = await open_tab()
    tab.send = tab.session._send = lambda text: asyncio.Event().wait()
    await tab.say(type="sub", topic="load")
    await tab.until(lambda tab: tab.closed_with == session.TOO_SLOW)


async def test_text_for_a_reader_that_confirms_nothing_is_joined_until_it_is_too_much(
    open_tab, submitted_task, work_on, monkeypatch
):
    monkeypatch.setattr(session, "WATCH_SECONDS", 0.05)
    worker = await work_on(submitted_task)
    tab = await open_tab()
    tab.acks = False
    await tab.subscribe(f"task:{submitted_task.pk}")
    for _ in range(50):
        worker.say("x" * 100_000)
    await tab.until(lambda tab: tab.closed_with == session.TOO_SLOW)
    assert len(tab.text) <= flow.HELD_BYTES + 50 * 100_000
    assert tab.session._window.bytes + tab.session.outbox.size > flow.UNACKED_BYTES


async def test_a_reader_that_confirms_again_gets_the_rest_in_one_piece(open_tab, submitted_task, work_on):
    worker = await work_on(submitted_task)
    tab = await open_tab()
    await tab.subscribe(f"task:{submitted_task.pk}")
    tab.acks = False
    for _ in range(13):
        worker.say("x" * 100_000)
        await tab.until(lambda tab: len(tab.text) == len(worker.said) or tab.session._window.is_full)
    for _ in range(5):
        worker.say("y")
    shown = len(tab.text)
    assert shown < len(worker.said)
    tab.acks = True
    await tab.say(type="ack", n=tab.received)
    await tab.until(lambda tab: tab.text == worker.said)


async def test_a_topic_that_breaks_closes_the_socket(open_tab, monkeypatch, caplog):
    from dashboard.live import topics

    def broken():
        raise ZeroDivisionError("broken")

    monkeypatch.setattr(topics.queries, "nodes", broken)
    tab = await open_tab()
    await tab.say(type="sub", topic="nodes")
    await tab.until(lambda tab: tab.closed_with == session.BROKEN)
    assert "broke" in caplog.text


async def test_snapshots_can_be_had_without_a_socket(hub, as_carol, submitted_task):
    wanted = [("tasks", "status=pending"), ("tasks#2", "status=failed"), ("nodes", ""), ("nothing", "")]
    frames = {frame["topic"]: frame for frame in await session.snapshots(hub, as_carol, wanted)}
    assert [row["id"] for row in frames["tasks"]["data"]["rows"]] == [submitted_task.pk]
    assert frames["tasks#2"]["data"]["rows"] == []
    assert frames["nodes"]["type"] == "snap"
    assert frames["nothing"]["code"] == "not_found"
    assert not hub.connected


async def test_a_subscription_made_while_hidden_is_served_when_shown(open_tab, submitted_task):
    tab = await open_tab()
    await tab.say(type="pause")
    await tab.say(type="sub", topic="tasks")
    await read(lambda: None)
    assert "tasks" not in tab.snaps
    await tab.say(type="resume")
    await tab.until(lambda tab: tab.snaps.get("tasks"))
