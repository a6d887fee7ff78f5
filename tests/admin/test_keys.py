"""API keys in the admin: the secret is seen once, a key is revoked, and nobody but an admin comes near."""

import re
from collections.abc import Callable

from orchestration.models import ApiKey, AuditEntry, User
from orchestration.services import keys
from tests.admin.conftest import Person

DATES = {"expires_at_0": "", "expires_at_1": ""}


def test_a_new_keys_secret_is_shown_once_and_works(admin: Person, bob: User) -> None:
    page = admin.send("apikey_add", owner=bob.pk, **{"name": "ci", "role": "operator"}, **DATES)
    secret = re.search(r'value="(drover_[\w-]+)"', page)
    assert secret is not None
    key = keys.authenticate(secret[1])
    assert key is not None
    assert (key.owner, key.role) == (bob, "operator")
    for later in (admin.page("apikey_changelist"), admin.page("apikey_change", key.pk)):
        assert secret[1] not in later
    assert secret[1] not in str(AuditEntry.objects.values_list("detail", "object_name"))


def test_the_page_with_the_secret_is_not_kept_by_the_browser(admin: Person, bob: User) -> None:
    fields = {"owner": bob.pk, "name": "ci", "role": "viewer", **DATES}
    response = admin.client.post(admin.url("apikey_add"), fields)
    assert "no-store" in response["Cache-Control"]
    assert "messages" not in response.cookies


def test_a_key_is_never_more_than_its_owner(admin: Person, carol: User) -> None:
    admin.send("apikey_add", owner=carol.pk, **{"name": "up", "role": "admin"}, **DATES)
    assert ApiKey.objects.get().role == "viewer"


def test_a_key_without_a_name_is_refused(admin: Person, bob: User) -> None:
    page = admin.send("apikey_add", owner=bob.pk, **{"name": "  ", "role": "viewer"}, **DATES)
    assert "errorlist" in page
    assert not ApiKey.objects.exists()


def test_keys_are_revoked_from_the_list_and_stay_listed(admin: Person, bob: User, as_alice: object) -> None:
    key, secret = keys.create(actor=as_alice, owner=bob, name="ci")  # type: ignore[arg-type]
    assert "Revoked: ci." in admin.act("apikey", "revoke", key)
    assert keys.authenticate(secret) is None
    assert "revoked" in admin.page("apikey_changelist")
    assert AuditEntry.objects.get(action="key.revoked").actor_name == "alice"


def test_a_key_cannot_be_changed_afterwards(admin: Person, bob: User, as_alice: object) -> None:
    key, _ = keys.create(actor=as_alice, owner=bob, name="ci")  # type: ignore[arg-type]
    assert 'name="_save"' not in admin.page("apikey_change", key.pk)
    assert key.key_hash not in admin.page("apikey_change", key.pk)


def test_a_maintainer_does_not_come_near_the_keys(maintainer: Person, bob: User) -> None:
    assert maintainer.status("apikey_changelist") == 403
    assert maintainer.status("apikey_add") == 403


def test_owners_are_found_as_one_types_by_admins_only(
    admin: Person, enter: Callable[[User], Person], bob: User
) -> None:
    query = {"term": "bo", "app_label": "orchestration", "model_name": "apikey", "field_name": "owner"}
    assert [row["text"] for row in admin.client.get("/admin/autocomplete/", query).json()["results"]] == ["bob"]
    assert enter(bob).client.get("/admin/autocomplete/", query).status_code == 403
