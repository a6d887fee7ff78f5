"""What pages say of pauses."""

import pytest

from dashboard import pausing
from orchestration import queries
from orchestration.services import pauses

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]


def test_each_queue_class_says_whether_it_runs(as_alice):
    pauses.pause(actor=as_alice, kind="priority", key="low")
    pauses.pause(actor=as_alice, kind="model", key="2")
    classes = pausing.queue_classes(queries.paused(), "not you")
    assert [(item["key"], item["name"]) for item in classes] == [("0", "High"), ("1", "Normal"), ("2", "Low")]
    assert [item["paused"].partition(" since ")[0] for item in classes] == ["", "", "Low priority paused by alice"]
    assert {item["why_not"] for item in classes} == {"not you"}


def test_a_line_leads_to_the_tasks_that_it_holds_back(as_alice, agent):
    for kind, key in (("priority", "0"), ("agent", str(agent.pk)), ("model", "hf.co/a b/c:q4")):
        pauses.pause(actor=as_alice, kind=kind, key=key)
    lines = {line["pause"]["kind"]: line for line in pausing.attention(queries.paused(), as_alice)}
    assert lines["priority"]["url"] == "/tasks?status=waiting&priority=0"
    assert lines["agent"]["url"] == "/tasks?status=waiting&agent=writer"
    assert lines["model"]["url"] == "/tasks?status=waiting&model=hf.co%2Fa+b%2Fc%3Aq4"
    assert lines["agent"]["title"] == "Agent writer is paused"
    assert lines["agent"]["note"].startswith("by alice since ")


def test_whose_agent_it_is_decides_who_may(as_alice, as_bob, as_carol, as_dave, agent):
    pauses.pause(actor=as_bob, kind="agent", key=str(agent.pk))
    allowed = {
        who.name: not pausing.attention(queries.paused(), who)[0]["pause"]["why_not"]
        for who in (as_alice, as_bob, as_carol, as_dave)
    }
    assert allowed == {"alice": True, "bob": True, "carol": False, "dave": False}
    assert not pausing.why_not_agent(as_bob, as_bob.user_id)
    assert pausing.why_not_agent(as_bob, None)


def test_nothing_paused_costs_nothing(as_bob, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert pausing.attention([], as_bob) == []
