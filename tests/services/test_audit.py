"""The audit trail: who, through which door, what, to which object, and what differed."""

from orchestration.models import Agent, AuditEntry
from orchestration.permissions import Actor, Role
from orchestration.services import audit


def test_an_entry_names_actor_door_object_and_detail(agent: Agent) -> None:
    actor = Actor(user_id=None, name="drover", role=Role.ADMIN, via="system", ip="::1")
    audit.record(actor, "agent.petted", agent, times=2)
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.actor_name, entry.via, entry.ip) == (None, "drover", "system", "::1")
    assert (entry.action, entry.object_type, entry.object_id, entry.object_name) == (
        "agent.petted",
        "agent",
        agent.pk,
        "writer",
    )
    assert entry.detail == {"times": 2}


def test_a_long_name_is_cut(agent: Agent) -> None:
    agent.name = "x" * 300
    audit.record(Actor(user_id=None, name="drover", role=Role.ADMIN), "agent.petted", agent)
    assert len(AuditEntry.objects.get().object_name) == 200


def test_only_what_differs_is_a_change() -> None:
    assert audit.changes({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}) == {"b": [2, 3], "c": [None, 4]}
