"""People in the admin: added with or without a password, changed and deleted through the service, audited."""

from django.contrib.auth import authenticate

from orchestration.models import AuditEntry, User
from orchestration.permissions import Role
from tests.admin.conftest import Person

NEW = {"username": "grace", "email": "", "role": "maintainer", "is_staff": "on"}
PASSWORD = {"usable_password": "true", "password1": "tall-grass-42", "password2": "tall-grass-42"}


def _form(user: User, **fields: str) -> dict[str, str]:
    kept = {"username": user.username, "first_name": "", "last_name": "", "email": "", "role": user.role}
    return {**kept, "is_active": "on", "is_staff": "on", **fields}


def test_a_person_is_added_with_a_password(admin: Person) -> None:
    admin.send("user_add", **NEW, **PASSWORD)
    user = User.objects.get(username="grace")
    assert (user.role, user.is_staff, user.is_superuser) == ("maintainer", True, False)
    assert authenticate(username="grace", password="tall-grass-42") == user
    assert AuditEntry.objects.get(action="user.created").object_name == "grace"


def test_a_person_is_added_without_a_password(admin: Person) -> None:
    admin.send("user_add", **NEW, usable_password="false", password1="", password2="")
    assert not User.objects.get(username="grace").has_usable_password()


def test_a_weak_password_is_refused_with_the_input_kept(admin: Person) -> None:
    page = admin.send("user_add", **NEW, usable_password="true", password1="grace", password2="grace")
    assert "errorlist" in page
    assert 'value="grace"' in page
    assert not User.objects.filter(username="grace").exists()


def test_a_name_that_is_taken_is_refused(admin: Person, bob: User) -> None:
    assert "already exists" in admin.send("user_add", **{**NEW, "username": "bob"}, **PASSWORD)


def test_a_changed_role_is_audited(admin: Person, bob: User) -> None:
    admin.send("user_change", bob.pk, **_form(bob, role="admin"))
    bob.refresh_from_db()
    assert bob.effective_role == Role.ADMIN
    assert bob.is_superuser
    assert AuditEntry.objects.get(action="user.changed").detail["changes"]["role"] == ["operator", "admin"]


def test_the_last_admin_cannot_lock_everybody_out(admin: Person) -> None:
    page = admin.send("user_change", admin.user.pk, **_form(admin.user, role="viewer"))
    assert "only active admin" in page
    assert "only active admin" in admin.send("user_delete", admin.user.pk, post="yes")
    admin.user.refresh_from_db()
    assert admin.user.effective_role == Role.ADMIN


def test_a_person_is_deleted_and_the_tasks_stay(admin: Person, bob: User, history: list[object]) -> None:
    admin.send("user_delete", bob.pk, post="yes")
    assert not User.objects.filter(username="bob").exists()
    assert "task" in admin.page("task_changelist")
    assert AuditEntry.objects.filter(action="run.submitted", actor_name="bob").exists()


def test_a_password_is_set_through_the_service(admin: Person, bob: User) -> None:
    assert "Password changed successfully" in _set_password(admin, bob)
    assert authenticate(username="bob", password="tall-grass-42") == bob
    entry = AuditEntry.objects.get(action="user.password_changed")
    assert (entry.actor_name, entry.object_name) == ("alice", "bob")


def _set_password(person: Person, user: User) -> str:
    url = f"/admin/orchestration/user/{user.pk}/password/"
    fields = {**PASSWORD, "set-password": "Change password"}
    return person.client.post(url, fields, follow=True).content.decode()


def test_a_maintainer_sets_nobodys_password(maintainer: Person, bob: User) -> None:
    assert "Password changed" not in _set_password(maintainer, bob)
    assert authenticate(username="bob", password="bob-secret") == bob


def test_a_limit_is_set_and_taken_away(admin: Person, bob: User) -> None:
    admin.send("user_change", bob.pk, **_form(bob, max_concurrent_tasks="20"))
    bob.refresh_from_db()
    assert bob.max_concurrent_tasks == 20
    assert "errorlist" in admin.send("user_change", bob.pk, **_form(bob, max_concurrent_tasks="0"))
    admin.send("user_change", bob.pk, **_form(bob, max_concurrent_tasks=""))
    bob.refresh_from_db()
    assert bob.max_concurrent_tasks is None
    changes = [entry.detail["changes"]["max_concurrent_tasks"] for entry in AuditEntry.objects.order_by("pk")]
    assert changes == [[None, 20], [20, None]]
