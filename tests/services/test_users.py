"""People: the first admin, one-time login links, roles, and that an admin is always left."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from orchestration.errors import Conflict, InvalidInput, NotAllowed, NotFound
from orchestration.models import AuditEntry, LoginLink, User
from orchestration.permissions import SYSTEM, Actor, Role
from orchestration.services import users


def test_the_first_admin_is_made_once_without_a_password(db: None) -> None:
    admin, created = users.ensure_admin()
    assert created
    assert (admin.effective_role, admin.is_staff, admin.has_usable_password()) == (Role.ADMIN, True, False)
    assert users.ensure_admin() == (admin, False)


def test_an_admin_there_already_is_the_admin(alice: User) -> None:
    assert users.ensure_admin() == (alice, False)


def test_a_login_link_works_once(bob: User) -> None:
    token = users.make_login_link(bob)
    assert token not in str(LoginLink.objects.values())
    assert users.use_login_link(token, ip="10.0.0.1") == bob
    assert users.use_login_link(token) is None
    entry = AuditEntry.objects.get(action="user.logged_in")
    assert (entry.actor_name, entry.ip, entry.detail) == ("bob", "10.0.0.1", {"by": "login link"})


def test_a_login_link_ends(bob: User, settings: Any) -> None:
    token = users.make_login_link(bob)
    late = timezone.now() + settings.DROVER_LOGIN_LINK_LIFETIME + timedelta(seconds=1)
    assert users.use_login_link(token, now=late) is None
    assert users.use_login_link(token) == bob


def test_a_login_link_of_somebody_who_left_lets_nobody_in(bob: User) -> None:
    token = users.make_login_link(bob)
    User.objects.filter(pk=bob.pk).update(is_active=False)
    assert users.use_login_link(token) is None
    assert users.use_login_link("guessed") is None


def test_old_links_are_cleared_away(bob: User) -> None:
    users.make_login_link(bob, now=timezone.now() - timedelta(days=1))
    users.make_login_link(bob)
    assert LoginLink.objects.count() == 1


def test_an_actor_is_never_more_than_the_user(bob: User) -> None:
    assert users.actor_of(bob, via="web", ip="::1") == Actor(
        user_id=bob.pk, name="bob", role=Role.OPERATOR, via="web", ip="::1"
    )
    assert users.actor_of(bob, via="api", role=Role.ADMIN).role == Role.OPERATOR
    assert users.actor_of(bob, via="api", role=Role.VIEWER).role == Role.VIEWER


def test_a_person_is_made_with_a_role_and_perhaps_a_password(as_alice: Actor) -> None:
    silent = users.create(actor=as_alice, username="grace", role="viewer")
    spoken = users.create(actor=as_alice, username="heidi", role="admin", password="tall-grass-42")
    assert (silent.has_usable_password(), silent.is_superuser) == (False, False)
    assert (spoken.check_password("tall-grass-42"), spoken.is_superuser) == (True, True)
    assert "tall-grass" not in str(AuditEntry.objects.values())


@pytest.mark.parametrize("fields", [{"username": ""}, {"role": "wizard"}, {"email": "no"}, {"is_superuser": True}])
def test_bad_fields_are_refused(fields: dict[str, Any], as_alice: Actor) -> None:
    with pytest.raises(InvalidInput):
        users.create(actor=as_alice, **{"username": "grace", "role": "viewer", **fields})
    assert not User.objects.filter(username="grace").exists()


def test_a_name_that_is_taken_is_a_conflict(as_alice: Actor, bob: User) -> None:
    with pytest.raises(Conflict):
        users.create(actor=as_alice, username="bob", role="viewer")


def test_only_admins_manage_people(as_bob: Actor, dave: User) -> None:
    for act in (
        lambda: users.create(actor=as_bob, username="grace", role="viewer"),
        lambda: users.update(actor=as_bob, user_id=dave.pk, role="admin"),
        lambda: users.set_password(actor=as_bob, user_id=dave.pk, password="x"),
        lambda: users.delete(actor=as_bob, user_id=dave.pk),
    ):
        with pytest.raises(NotAllowed):
            act()


def test_everybody_sets_the_own_password(as_bob: Actor, bob: User) -> None:
    assert users.set_password(actor=as_bob, user_id=bob.pk, password="tall-grass-42").check_password("tall-grass-42")
    assert not users.set_password(actor=as_bob, user_id=bob.pk, password=None).has_usable_password()
    assert AuditEntry.objects.filter(action="user.password_changed").count() == 2


@pytest.mark.parametrize("fields", [{"role": "viewer"}, {"is_active": False}])
def test_the_last_admin_stays_an_admin(fields: dict[str, Any], as_alice: Actor, alice: User) -> None:
    with pytest.raises(Conflict, match="only active admin"):
        users.update(actor=as_alice, user_id=alice.pk, **fields)
    with pytest.raises(Conflict, match="only active admin"):
        users.delete(actor=as_alice, user_id=alice.pk)
    alice.refresh_from_db()
    assert alice.effective_role == Role.ADMIN
    users.create(actor=as_alice, username="heidi", role="admin")
    users.update(actor=as_alice, user_id=alice.pk, **fields)


def test_an_admin_by_createsuperuser_stays_one_when_the_name_is_changed(as_alice: Actor, alice: User) -> None:
    root = User.objects.create_superuser("root")
    assert (root.role, root.effective_role) == (Role.OPERATOR, Role.ADMIN)
    changed = users.update(actor=as_alice, user_id=root.pk, first_name="Ruth")
    assert (changed.role, changed.is_superuser) == (Role.ADMIN, True)


def test_a_person_that_is_not_there_is_not_found(db: None) -> None:
    with pytest.raises(NotFound):
        users.update(actor=SYSTEM, user_id=9, role="viewer")
