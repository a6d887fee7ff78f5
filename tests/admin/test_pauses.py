"""Pauses in the admin go through their service: adding pauses, deleting resumes."""

from collections.abc import Callable

from orchestration.models import Agent, AuditEntry, Pause, User
from orchestration.permissions import Actor
from orchestration.services import pauses
from tests.admin.conftest import Person


def _add(person: Person, kind: str, key: str) -> str:
    return person.send("pause_add", kind=kind, key=key, note="")


def test_one_is_added_and_deleted_with_audit(admin: Person) -> None:
    _add(admin, "priority", "low")
    pause = Pause.objects.get()
    assert (pause.key, pause.paused_by) == ("2", admin.user)
    page = admin.page("pause_change", pause.pk)
    assert "Low priority" in page
    assert "That resumes it" in admin.page("pause_delete", pause.pk)
    admin.send("pause_delete", pause.pk, post="yes")
    assert not Pause.objects.exists()
    actions = AuditEntry.objects.order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["priority.paused", "priority.resumed"]


def test_several_are_resumed_at_once(admin: Person) -> None:
    _add(admin, "priority", "2")
    _add(admin, "model", "llama3.2")
    page = admin.act("pause", "resume", *Pause.objects.all())
    assert "Resumed: llama3.2:latest, low priority." in page
    assert not Pause.objects.exists()


def test_what_cannot_be_paused_is_refused_at_the_field(admin: Person) -> None:
    assert "A priority is 0 (high)" in _add(admin, "priority", "9")
    assert "There is no agent 77" in _add(admin, "agent", "77")
    assert not Pause.objects.exists()


def test_an_operator_pauses_own_agents_only(enter: Callable[[User], Person], bob: User, agent: Agent) -> None:
    operator = enter(bob)
    _add(operator, "agent", str(agent.pk))
    assert Pause.objects.get().key == str(agent.pk)
    assert "needs the role maintainer" in _add(operator, "model", "llama3.2")
    assert operator.status("pause_delete", Pause.objects.get().pk) == 200


def test_others_look_and_do_not_touch(
    enter: Callable[[User], Person], carol: User, dave: User, agent: Agent, as_alice: Actor
) -> None:
    row, _ = pauses.pause(actor=as_alice, kind="agent", key=str(agent.pk))
    for person in (enter(carol), enter(dave)):
        assert "writer" in person.page("pause_changelist")
        assert person.client.post(person.url("pause_delete", row.pk), {"post": "yes"}).status_code == 403
    assert enter(carol).status("pause_add") == 403
    assert "belongs to somebody else" in enter(dave).act("pause", "resume", row)
    assert Pause.objects.exists()
