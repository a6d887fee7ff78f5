"""Who may enter, and that the role decides what they find there."""

from collections.abc import Callable

import pytest
from django.test import Client

from orchestration.models import AuditEntry, Node, Task, User
from orchestration.permissions import Role
from tests.admin.conftest import Person

PEOPLE_ONLY = ("user", "apikey")
OPEN = ("node", "ollamamodel", "nodemodel", "modelconfig", "agent", "run", "task", "attempt", "auditentry")


def test_a_visitor_is_asked_to_log_in(db: None) -> None:
    response = Client().get("/admin/orchestration/task/", follow=True)
    assert "id_password" in response.content.decode()


def test_somebody_without_the_staff_flag_stays_outside_whatever_the_role(alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(is_staff=False)
    client = Client()
    client.force_login(alice)
    assert client.get("/admin/").status_code == 302


def test_a_viewer_sees_everything_but_people_and_changes_nothing(
    enter: Callable[[User], Person], carol: User, history: list[Task]
) -> None:
    viewer = enter(carol)
    for table in OPEN:
        viewer.page(f"{table}_changelist")
    for table in PEOPLE_ONLY:
        assert viewer.status(f"{table}_changelist") == 403
    for table in ("node", "modelconfig", "agent", "task"):
        assert viewer.status(f"{table}_add") == 403
    assert 'name="_save"' not in viewer.page("task_change", history[2].pk)
    assert ">Cancel</button>" not in viewer.page("task_change", history[2].pk)


def test_a_viewer_gets_no_list_actions(enter: Callable[[User], Person], carol: User, history: list[Task]) -> None:
    viewer = enter(carol)
    page = viewer.page("task_changelist")
    assert 'value="cancel"' not in page
    viewer.client.post(viewer.url("task_changelist"), {"action": "cancel", "_selected_action": [history[2].pk]})
    assert Task.objects.get(pk=history[2].pk).status == "pending"


def test_a_viewer_who_posts_to_a_button_changes_nothing(
    enter: Callable[[User], Person], carol: User, history: list[Task]
) -> None:
    page = enter(carol).send("task_cancel", history[2].pk)
    assert "needs the role operator" in page
    assert Task.objects.get(pk=history[2].pk).status == "pending"


def test_an_operator_changes_what_is_his_own(
    enter: Callable[[User], Person], bob: User, dave: User, history: list[Task]
) -> None:
    own, strange = enter(bob), enter(dave)
    assert 'name="_save"' in own.page("task_change", history[2].pk)
    assert 'name="_save"' not in strange.page("task_change", history[2].pk)
    assert "belongs to somebody else" in strange.act("task", "cancel", history[2])
    assert Task.objects.get(pk=history[2].pk).status == "pending"


def test_an_operator_may_not_touch_nodes_and_a_maintainer_may(
    enter: Callable[[User], Person], bob: User, maintainer: Person, node: Node
) -> None:
    assert enter(bob).status("node_add") == 403
    assert enter(bob).status("node_delete", node.pk) == 403
    assert maintainer.status("node_add") == 200
    assert maintainer.status("user_changelist") == 403


@pytest.mark.parametrize("role", list(Role))
def test_the_index_offers_only_what_the_role_may_open(
    role: Role, enter: Callable[[User], Person], history: list[Task]
) -> None:
    person = enter(User.objects.create_user("frank", role=role))
    page = person.client.get("/admin/").content.decode()
    assert ("/admin/orchestration/user/" in page) == (role == Role.ADMIN)
    assert ("/admin/orchestration/node/add/" in page) == (role.rank >= Role.MAINTAINER.rank)
    assert ("/admin/orchestration/task/add/" in page) == (role.rank >= Role.OPERATOR.rank)


def test_the_audit_trail_says_who_through_which_door_and_from_where(admin: Person, node: Node) -> None:
    admin.act("node", "drain", node)
    entry = AuditEntry.objects.get(action="node.drained")
    assert (entry.actor_name, entry.via, entry.ip) == ("alice", "admin", "127.0.0.1")


def test_too_many_at_once_are_refused(admin: Person, history: list[Task], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestration.admin.base.AT_ONCE", 2)
    page = admin.act("task", "cancel", history[2], select_across="1")
    assert "At most 2 at once" in page
    assert Task.objects.get(pk=history[2].pk).status == "pending"
