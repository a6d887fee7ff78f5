"""The key for scripts."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from orchestration.models import ApiKey
from orchestration.services import keys


def create(**options):
    out = StringIO()
    call_command("create_api_key", stdout=out, **options)
    return out.getvalue()


def test_the_key_is_printed_alone_and_works(bob):
    printed = create(user="bob", name="laptop")
    key = keys.authenticate(printed.strip())
    assert (key.owner, key.name) == (bob, "laptop")
    assert printed == f"{printed.strip()}\n"


def test_its_role_may_be_lower_than_the_owners_but_not_higher(bob):
    assert keys.authenticate(create(user="bob", name="reader", role="viewer").strip()).role == "viewer"
    assert keys.authenticate(create(user="bob", name="climber", role="admin").strip()).role == "operator"


def test_an_unknown_user_is_answered_with_the_known_ones(bob):
    with pytest.raises(CommandError, match="Users: bob"):
        create(user="bobby", name="laptop")
    assert not ApiKey.objects.exists()


def test_a_key_needs_a_name_that_says_what_uses_it(bob):
    with pytest.raises(CommandError, match="name"):
        create(user="bob", name=" ")
