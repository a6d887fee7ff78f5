"""Both password forms count wrong tries together."""

import pytest

from orchestration.models import AuditEntry
from orchestration.services.logins import TRIES_OF_A_NAME_FROM_ONE_ADDRESS

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("url", ["/login", "/admin/login/"])
def test_after_too_many_wrong_passwords_the_right_one_is_refused_too(client, alice, url):
    for _ in range(TRIES_OF_A_NAME_FROM_ONE_ADDRESS):
        client.post(url, {"username": "alice", "password": "guess"})
    answer = client.post(url, {"username": "alice", "password": "alice-secret"})
    assert answer.status_code == 200
    assert "Too many wrong passwords" in answer.text
    assert "guess" not in str(list(AuditEntry.objects.values()))


def test_the_right_password_is_noted(client, alice):
    assert client.post("/login", {"username": "alice", "password": "alice-secret"}).status_code == 302
    assert AuditEntry.objects.filter(action="user.logged_in", actor=alice).count() == 1


def test_who_is_not_staff_is_refused_at_the_admin(client, bob):
    answer = client.post("/admin/login/", {"username": "bob", "password": "bob-secret"})
    assert answer.status_code == 200
    assert "staff" in answer.text
