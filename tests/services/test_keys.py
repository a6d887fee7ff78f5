"""API keys: the secret is known once, the role never exceeds the owner's, a revoked key is dead."""

from datetime import timedelta

import pytest
from django.utils import timezone

from orchestration.errors import InvalidInput, NotAllowed, NotFound
from orchestration.models import ApiKey, AuditEntry, User
from orchestration.permissions import Actor, Role
from orchestration.services import keys, users


def test_a_key_works_and_only_its_digest_is_stored(as_bob: Actor, bob: User) -> None:
    key, secret = keys.create(actor=as_bob, owner=bob, name=" ci ")
    assert secret.startswith("drover_")
    assert (key.name, key.role, key.prefix) == ("ci", Role.OPERATOR, secret[:12])
    assert keys.authenticate(secret) == key
    assert secret not in str(ApiKey.objects.values())
    assert secret not in str(AuditEntry.objects.values())


def test_two_keys_never_have_the_same_secret(as_bob: Actor, bob: User) -> None:
    assert len({keys.create(actor=as_bob, owner=bob, name="ci")[1] for _ in range(20)}) == 20


@pytest.mark.parametrize(
    ("wanted", "given"),
    [(None, "operator"), (Role.VIEWER, "viewer"), (Role.MAINTAINER, "operator"), (Role.ADMIN, "operator")],
)
def test_a_key_is_never_more_than_its_owner(wanted: Role | None, given: str, as_bob: Actor, bob: User) -> None:
    assert keys.create(actor=as_bob, owner=bob, name="ci", role=wanted)[0].role == given


def test_a_key_made_through_a_key_is_never_more_than_that_key(bob: User) -> None:
    through_a_viewers_key = users.actor_of(bob, via="api", role=Role.VIEWER)
    assert keys.create(actor=through_a_viewers_key, owner=bob, name="ci", role=Role.OPERATOR)[0].role == Role.VIEWER


def test_a_key_falls_with_its_owners_role(as_bob: Actor, bob: User) -> None:
    key, secret = keys.create(actor=as_bob, owner=bob, name="ci")
    User.objects.filter(pk=bob.pk).update(role=Role.VIEWER)
    found = keys.authenticate(secret)
    assert found is not None
    assert users.actor_of(found.owner, via="api", role=Role(key.role)).role == Role.VIEWER


def test_only_an_admin_makes_keys_for_others(as_alice: Actor, as_bob: Actor, dave: User) -> None:
    with pytest.raises(NotAllowed):
        keys.create(actor=as_bob, owner=dave, name="ci")
    assert keys.create(actor=as_alice, owner=dave, name="ci")[0].owner == dave


def test_a_key_has_a_name(as_bob: Actor, bob: User) -> None:
    with pytest.raises(InvalidInput):
        keys.create(actor=as_bob, owner=bob, name="  ")


def test_a_key_that_should_not_work_does_not(as_bob: Actor, bob: User) -> None:
    past, future = timezone.now() - timedelta(seconds=1), timezone.now() + timedelta(hours=1)
    assert keys.authenticate(keys.create(actor=as_bob, owner=bob, name="old", expires_at=past)[1]) is None
    key, secret = keys.create(actor=as_bob, owner=bob, name="new", expires_at=future)
    assert keys.authenticate(secret) == key
    assert keys.authenticate(secret + "x") is None
    assert keys.authenticate("") is None
    User.objects.filter(pk=bob.pk).update(is_active=False)
    assert keys.authenticate(secret) is None


def test_a_revoked_key_is_dead_and_revoking_twice_is_once(as_bob: Actor, bob: User) -> None:
    key, secret = keys.create(actor=as_bob, owner=bob, name="ci")
    at = keys.revoke(actor=as_bob, key_id=key.pk).revoked_at
    assert at is not None
    assert keys.revoke(actor=as_bob, key_id=key.pk).revoked_at == at
    assert keys.authenticate(secret) is None
    assert AuditEntry.objects.filter(action="key.revoked").count() == 1


def test_nobody_but_an_admin_revokes_somebody_elses_key(
    as_bob: Actor, bob: User, as_dave: Actor, as_alice: Actor
) -> None:
    key, _ = keys.create(actor=as_bob, owner=bob, name="ci")
    with pytest.raises(NotAllowed):
        keys.revoke(actor=as_dave, key_id=key.pk)
    assert keys.revoke(actor=as_alice, key_id=key.pk).revoked_at is not None
    with pytest.raises(NotFound):
        keys.revoke(actor=as_alice, key_id=999)


def test_a_use_is_noted_once_a_minute(as_bob: Actor, bob: User, django_assert_num_queries: object) -> None:
    key, secret = keys.create(actor=as_bob, owner=bob, name="ci")
    keys.authenticate(secret)
    first = ApiKey.objects.get(pk=key.pk).last_used_at
    assert first is not None
    with django_assert_num_queries(1):  # type: ignore[operator]
        keys.authenticate(secret)
    ApiKey.objects.update(last_used_at=first - timedelta(minutes=2))
    keys.authenticate(secret)
    used = ApiKey.objects.get(pk=key.pk).last_used_at
    assert used is not None
    assert used >= first
