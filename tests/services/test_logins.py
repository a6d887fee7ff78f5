"""Guessing passwords gets slow, for one name from one address first."""

from datetime import timedelta

import pytest
from django.utils import timezone

from orchestration.errors import NotAllowed
from orchestration.models import AuditEntry, User
from orchestration.services import logins

pytestmark = pytest.mark.django_db

HERE, THERE = "192.0.2.1", "192.0.2.2"


def _fail(times: int, *, name: str = "bob", ip: str = HERE) -> None:
    for _ in range(times):
        logins.failed(name=name, ip=ip)


def test_a_name_is_closed_for_the_address_that_guesses_and_open_for_others() -> None:
    _fail(logins.TRIES_OF_A_NAME_FROM_ONE_ADDRESS - 1)
    logins.check(name="bob", ip=HERE)
    _fail(1)
    with pytest.raises(NotAllowed, match="login link"):
        logins.check(name="bob", ip=HERE)
    logins.check(name="bob", ip=THERE)
    logins.check(name="carol", ip=HERE)


def test_guessing_from_many_addresses_closes_the_name() -> None:
    for number in range(logins.TRIES_OF_A_NAME):
        _fail(1, ip=f"192.0.2.{number}")
    with pytest.raises(NotAllowed):
        logins.check(name="bob", ip="198.51.100.1")


def test_guessing_many_names_closes_the_address() -> None:
    for number in range(logins.TRIES_FROM_ONE_ADDRESS):
        _fail(1, name=f"user{number}")
    with pytest.raises(NotAllowed):
        logins.check(name="bob", ip=HERE)


def test_it_opens_again_after_a_while() -> None:
    _fail(logins.TRIES_OF_A_NAME_FROM_ONE_ADDRESS)
    logins.check(name="bob", ip=HERE, now=timezone.now() + logins.WINDOW + timedelta(seconds=1))


def test_names_that_no_column_holds_are_counted_too() -> None:
    _fail(logins.TRIES_OF_A_NAME_FROM_ONE_ADDRESS, name="b\0ob" * 100)
    with pytest.raises(NotAllowed):
        logins.check(name="b\0ob" * 100, ip=HERE)


def test_a_login_is_in_the_audit_trail(bob: User) -> None:
    logins.succeeded(user=bob, ip=HERE)
    entry = AuditEntry.objects.get()
    assert (entry.actor_name, entry.action, entry.ip, entry.detail) == (
        "bob",
        "user.logged_in",
        HERE,
        {"by": "password"},
    )
