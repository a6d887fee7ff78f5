"""The way out to whoever watches: after commit, in order, and never in the way."""

import json
import threading

import pytest
from django.db import transaction

from orchestration import events


def sent(redis_server):
    return [(entry["k"], json.loads(entry["d"])) for _, entry in redis_server.client.xrange(events.EVENTS)]


def test_events_arrive_in_order_with_their_payload(redis_server):
    events.publish([("task", {"id": 1}), ("node", {"id": 2})])
    assert sent(redis_server) == [("task", {"id": 1}), ("node", {"id": 2})]


def test_a_wake_up_wakes_once_however_often_it_was_sent(redis_server):
    events.publish([], wake=True)
    events.publish([], wake=True)
    assert events.wait_for_wake(5) is True
    assert redis_server.client.llen(events.WAKE) == 0


def test_whoever_sleeps_is_woken(redis_server):
    woken = []
    sleeper = threading.Thread(target=lambda: woken.append(events.wait_for_wake(60)))
    sleeper.start()
    events.publish([], wake=True)
    sleeper.join(timeout=30)
    assert woken == [True]


def test_nobody_is_woken_by_the_end_of_the_time(redis_server):
    assert events.wait_for_wake(0.05) is False


@pytest.mark.django_db(transaction=True)
def test_nothing_is_said_of_what_was_not_committed(redis_server):
    with transaction.atomic():
        events.on_commit(("task", {"id": 1}), wake=True)
        transaction.set_rollback(True)
    assert sent(redis_server) == []


@pytest.mark.django_db(transaction=True)
def test_what_was_committed_is_said_afterwards(redis_server):
    with transaction.atomic():
        events.on_commit(("task", {"id": 1}), wake=True)
        assert sent(redis_server) == []
    assert sent(redis_server) == [("task", {"id": 1})]
    assert redis_server.client.llen(events.WAKE) == 1


def test_what_is_said_together_leaves_in_one_piece_at_the_end(redis_server):
    with events.together():
        events.publish([("task", {"id": 1})])
        events.publish([("task", {"id": 2})], wake=True)
        assert sent(redis_server) == []
    assert [payload["id"] for _, payload in sent(redis_server)] == [1, 2]


def test_a_redis_that_is_away_costs_the_hint_and_nothing_else(redis_server, caplog):
    redis_server.stop()
    events.publish([("task", {"id": 1})], wake=True)
    assert "Redis is away" in caplog.text
    assert events.wait_for_wake(0.05) is False
    assert events.read_progress([1]) == {}
    assert events.read_rates() == {}


def test_a_redis_that_came_back_is_used_again(redis_server):
    redis_server.stop()
    events.publish([("task", {"id": 1})])
    redis_server.start()
    events.publish([("task", {"id": 2})])
    assert sent(redis_server) == [("task", {"id": 2})]


def test_progress_is_read_for_those_tasks_that_have_some(redis_server):
    redis_server.client.hset(events.PROGRESS, "7", json.dumps({"phase": "prefill"}))
    assert events.read_progress([6, 7]) == {7: {"phase": "prefill"}}
    assert events.read_progress([]) == {}


def test_rates_are_read_by_worker(redis_server):
    redis_server.client.hset(events.RATES, "worker-a", json.dumps({"rates": {}}))
    assert events.read_rates() == {"worker-a": {"rates": {}}}
