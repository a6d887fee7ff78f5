"""A node's credentials reach no tab: not in what a topic begins with, and not in what changes."""

import pytest

from dashboard.live.reads import read
from dashboard.live.session import TOPICS, WITH_ID
from orchestration import events
from orchestration.services import nodes

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = "zqtok-live-77aa88"


@pytest.mark.parametrize("topic", sorted(set(TOPICS) - set(WITH_ID)))
async def test_no_topic_tells_a_nodes_token(open_tab, as_alice, redis_server, topic):
    bearer = {"type": "bearer", "token": TOKEN}
    node = await read(nodes.create, actor=as_alice, name="gpu-z", base_url="https://gpu-z", credentials=bearer)
    tab = await open_tab()
    snap = await tab.subscribe(topic)
    await read(nodes.set_draining, actor=as_alice, node_id=node.pk, draining=True, note="a card")
    told = await read(lambda: redis_server.client.xrange(events.EVENTS))
    assert "a card" in repr(told)
    assert TOKEN not in repr((snap, told))
    assert node.sealed_headers[:40] not in repr((snap, told))
