"""Pauses: who may make and end them, what they are called, who is told."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from orchestration import events
from orchestration.errors import InvalidInput, NotAllowed, NotFound
from orchestration.models import Agent, AuditEntry, Pause, User
from orchestration.permissions import Actor, Role
from orchestration.services import agents, pauses


@pytest.fixture
def as_erin(db: None) -> Actor:
    """A maintainer."""
    user = User.objects.create_user("erin", role=Role.MAINTAINER)
    return Actor(user_id=user.pk, name="erin", role=Role.MAINTAINER, via="test")


@pytest.mark.parametrize(
    ("kind", "key", "stored"),
    [
        ("priority", "2", "2"),
        ("priority", "High", "0"),
        ("model", "llama3.2", "llama3.2:latest"),
        ("model", "registry.test:5000/Team/Coder:7b", "registry.test:5000/team/coder:7b"),
    ],
)
def test_what_is_paused_has_one_name(as_erin: Actor, kind: str, key: str, stored: str) -> None:
    row, new = pauses.pause(actor=as_erin, kind=kind, key=key, note=" nightly backup ")
    assert (row.key, row.paused_by_name, row.note, new) == (stored, "erin", "nightly backup", True)
    assert pauses.resume(actor=as_erin, kind=kind, key=key)
    assert not Pause.objects.exists()


def test_pausing_twice_keeps_who_was_first(as_erin: Actor, as_alice: Actor) -> None:
    pauses.pause(actor=as_erin, kind="priority", key="2")
    row, new = pauses.pause(actor=as_alice, kind="priority", key="low", note="me too")
    assert (row.paused_by_name, row.note, new) == ("erin", "", False)
    assert AuditEntry.objects.filter(action="priority.paused").count() == 1


def test_resuming_what_runs_changes_nothing(as_erin: Actor) -> None:
    assert not pauses.resume(actor=as_erin, kind="model", key="llama3.2")
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    ("kind", "key", "error"),
    [
        ("queue", "2", InvalidInput),
        ("priority", "3", InvalidInput),
        ("priority", "", InvalidInput),
        ("model", " ", InvalidInput),
        ("model", "m" * 200, InvalidInput),
        ("model", "a\0b", InvalidInput),
        ("agent", "writer", NotFound),
        ("agent", "99999999999999999999", NotFound),
    ],
)
def test_what_cannot_be_paused_is_refused(as_erin: Actor, kind: str, key: str, error: type[Exception]) -> None:
    for act in (pauses.pause, pauses.resume):
        with pytest.raises(error):
            act(actor=as_erin, kind=kind, key=key)


def test_a_note_has_a_length(as_erin: Actor) -> None:
    with pytest.raises(InvalidInput, match="200 characters"):
        pauses.pause(actor=as_erin, kind="priority", key="2", note="n" * 201)


@pytest.mark.parametrize("name", ["as_bob", "as_carol", "as_dave"])
@pytest.mark.parametrize(("kind", "key"), [("priority", "2"), ("model", "llama3.2")])
def test_priorities_and_models_are_for_maintainers(
    name: str, kind: str, key: str, as_erin: Actor, request: pytest.FixtureRequest
) -> None:
    somebody = request.getfixturevalue(name)
    with pytest.raises(NotAllowed, match="needs the role maintainer"):
        pauses.pause(actor=somebody, kind=kind, key=key)
    pauses.pause(actor=as_erin, kind=kind, key=key)
    with pytest.raises(NotAllowed):
        pauses.resume(actor=somebody, kind=kind, key=key)
    assert Pause.objects.count() == 1


@pytest.mark.parametrize("name", ["as_bob", "as_alice", "as_erin"])
def test_an_agent_is_paused_by_its_owner_and_by_maintainers(
    name: str, agent: Agent, request: pytest.FixtureRequest
) -> None:
    pauses.pause(actor=request.getfixturevalue(name), kind="agent", key=str(agent.pk))
    entry = AuditEntry.objects.get(action="agent.paused")
    assert (entry.object_type, entry.object_id) == ("agent", agent.pk)
    assert pauses.resume(actor=request.getfixturevalue(name), kind="agent", key=str(agent.pk))


@pytest.mark.parametrize("name", ["as_carol", "as_dave"])
def test_nobody_else_pauses_an_agent(name: str, agent: Agent, request: pytest.FixtureRequest) -> None:
    with pytest.raises(NotAllowed):
        pauses.pause(actor=request.getfixturevalue(name), kind="agent", key=str(agent.pk))


def test_a_deleted_agent_leaves_no_pause(as_bob: Actor, agent: Agent) -> None:
    pauses.pause(actor=as_bob, kind="agent", key=str(agent.pk))
    agents.delete(actor=as_bob, agent_id=agent.pk)
    assert not Pause.objects.exists()


def test_both_are_audited_told_and_wake_the_scheduler(
    as_erin: Actor, redis_server: Any, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        pauses.pause(actor=as_erin, kind="priority", key="low", note="backup")
    assert redis_server.client.llen(events.WAKE) == 1
    with django_capture_on_commit_callbacks(execute=True):
        pauses.resume(actor=as_erin, kind="priority", key="low")
    told = [
        json.loads(fields["d"]) for _, fields in redis_server.client.xrange(events.EVENTS) if fields["k"] == "pause"
    ]
    assert [(event["kind"], event["key"], event["name"], event["paused"]) for event in told] == [
        ("priority", "2", "low priority", True),
        ("priority", "2", "low priority", False),
    ]
    resumed, paused = AuditEntry.objects.all()
    assert (paused.action, paused.object_name, paused.detail) == ("priority.paused", "low priority", {"note": "backup"})
    assert (resumed.action, resumed.detail) == ("priority.resumed", {"paused_by": "erin"})
