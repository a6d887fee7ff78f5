"""What a tab learns of a conversation that it shows."""

import pytest

from dashboard.live.reads import read
from orchestration.services import conversations, memories
from orchestration.services.conversations import Saying

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def talk(as_bob, make_agent, node, redis_server):
    return conversations.create(actor=as_bob, agent=make_agent("keeper", memory_enabled=True), title="Trip")


async def test_another_turn_and_another_fact_are_told(talk, open_tab, as_bob):
    tab = await open_tab()
    snap = await tab.subscribe(f"conversation:{talk.pk}")
    assert (snap["conversation"]["title"], snap["conversation"]["head_id"], snap["memories"]) == ("Trip", None, [])
    said = Saying(text="Hello.")
    turn = await read(lambda: conversations.say(actor=as_bob, conversation_id=talk.pk, saying=said))
    await tab.until(lambda tab: tab.deltas(f"conversation:{talk.pk}", "conversation"))
    assert tab.deltas(f"conversation:{talk.pk}", "conversation")[-1]["head_id"] == turn.pk
    await read(lambda: memories.pin(actor=as_bob, agent=talk.agent, text="One."))
    (facts,) = await tab.until(lambda tab: tab.deltas(f"conversation:{talk.pk}", "memories"))
    assert facts[0][1] == "One."


async def test_what_happens_in_others_is_not_told(talk, open_tab, as_bob):
    tab = await open_tab()
    await tab.subscribe(f"conversation:{talk.pk}")
    other = await read(lambda: conversations.create(actor=as_bob, agent=talk.agent))
    await read(lambda: conversations.update(actor=as_bob, conversation_id=other.pk, title="Other"))
    await read(lambda: conversations.update(actor=as_bob, conversation_id=talk.pk, title="Mine"))
    await tab.until(lambda tab: tab.deltas(f"conversation:{talk.pk}", "conversation"))
    assert [told["title"] for told in tab.deltas(f"conversation:{talk.pk}", "conversation")] == ["Mine"]


@pytest.mark.parametrize("topic", ["conversation", "conversation:x", "conversation:999"])
async def test_a_conversation_that_is_not_there_is_refused(db, open_tab, topic):
    tab = await open_tab()
    await tab.say(type="sub", topic=topic)
    await tab.until(lambda tab: tab.errors)
