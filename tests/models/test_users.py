"""People, keys and login links: one digest opens one door, and a person's secrets go with the person."""

from datetime import timedelta

import pytest
from django.utils import timezone

from orchestration.models import ApiKey, LoginLink, User
from orchestration.permissions import Role
from tests.models.conftest import Refused

DIGEST = "d" * 64


def key_of(owner: User, digest: str = DIGEST) -> ApiKey:
    return ApiKey.objects.create(owner=owner, name="laptop", prefix="drover_abcde", key_hash=digest)


def link_for(user: User, digest: str = DIGEST) -> LoginLink:
    return LoginLink.objects.create(user=user, token_hash=digest, expires_at=timezone.now() + timedelta(minutes=5))


@pytest.mark.parametrize("role", list(Role))
def test_a_person_acts_in_the_role_given_and_a_superuser_always_as_admin(role: Role) -> None:
    assert User(role=role).effective_role is role
    assert User(role=role, is_superuser=True).effective_role is Role.ADMIN


def test_a_role_read_from_the_database_is_one_of_the_known_words(carol: User) -> None:
    assert User.objects.get(pk=carol.pk).effective_role is Role.VIEWER


def test_a_word_that_is_no_role_gives_no_rights(db: None) -> None:
    with pytest.raises(ValueError, match="wizard"):
        _ = User(role="wizard").effective_role


def test_a_new_person_is_an_operator_without_the_administration(db: None) -> None:
    user = User.objects.create_user("erin")
    assert (user.effective_role, user.is_staff, user.is_superuser) == (Role.OPERATOR, False, False)
    assert not user.has_usable_password()


def test_two_people_cannot_have_one_name(bob: User, refused: Refused) -> None:
    with refused():
        User.objects.create_user("bob")


def test_a_secret_opens_for_one_key_only(bob: User, dave: User, refused: Refused) -> None:
    key_of(bob)
    with refused():
        key_of(dave)
    assert key_of(dave, "e" * 64).owner == dave


def test_a_revoked_key_does_not_set_its_digest_free(bob: User, refused: Refused) -> None:
    key_of(bob)
    ApiKey.objects.update(revoked_at=timezone.now())
    with refused():
        key_of(bob)


def test_a_link_logs_one_person_in(bob: User, dave: User, refused: Refused) -> None:
    link_for(bob)
    with refused():
        link_for(dave)


def test_keys_and_links_go_with_their_owner(bob: User, dave: User) -> None:
    for owner, digest in ((bob, DIGEST), (dave, "e" * 64)):
        key_of(owner, digest)
        link_for(owner, digest)
    bob.delete()
    assert ApiKey.objects.get().owner == dave
    assert LoginLink.objects.get().user == dave


def test_a_new_key_is_open_ended_and_unused(bob: User) -> None:
    key = ApiKey.objects.get(pk=key_of(bob).pk)
    assert (key.last_used_at, key.expires_at, key.revoked_at, key.role) == (None, None, None, Role.OPERATOR)


def test_neither_a_key_nor_a_link_tells_its_digest_when_shown(bob: User) -> None:
    shown = f"{key_of(bob)} {key_of(bob, 'e' * 64)!r} {link_for(bob)} {bob.api_keys.all()!r}"
    assert "laptop (drover_abcde…)" in shown
    assert "d" * 64 not in shown
    assert "e" * 64 not in shown


def test_no_column_of_keys_and_links_has_room_for_the_secret_beside_its_digest() -> None:
    columns = {field.name for model in (ApiKey, LoginLink) for field in model._meta.concrete_fields}
    assert not columns & {"secret", "key", "token", "plain"}
