"""Who gets in, as whom, and with which role."""

import json
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from orchestration.api.auth import client_ip
from orchestration.models import AuditEntry, User
from orchestration.permissions import Actor, Role
from orchestration.services import keys

from .conftest import ROOT, ApiClient, refusal

AGENT = {"name": "writer", "models": ["llama3.2"]}


def with_key(secret: str) -> ApiClient:
    client = ApiClient(None)
    client.headers["Authorization"] = f"Bearer {secret}"
    return client


def test_without_a_key_or_a_session_nothing_is_shown(anybody: ApiClient) -> None:
    response = anybody.get("agents")
    refusal(response, 401, "not_authenticated")
    assert response["WWW-Authenticate"] == "Bearer"


def test_a_submission_without_a_key_is_401_and_not_a_csrf_failure(anybody: ApiClient) -> None:
    refusal(anybody.post("tasks", {"tasks": [{"type": "generate", "input": "hi"}]}), 401, "not_authenticated")


def test_an_unknown_key_is_refused(anybody: ApiClient) -> None:
    refusal(with_key("drover_nonsense").get("agents"), 401, "not_authenticated")


def test_a_revoked_key_is_refused(as_bob: Actor, bob: User) -> None:
    key, secret = keys.create(actor=as_bob, owner=bob, name="old")
    keys.revoke(actor=as_bob, key_id=key.pk)
    refusal(with_key(secret).get("agents"), 401, "not_authenticated")


def test_an_expired_key_is_refused(as_bob: Actor, bob: User) -> None:
    _, secret = keys.create(actor=as_bob, owner=bob, name="old", expires_at=timezone.now() - timedelta(seconds=1))
    refusal(with_key(secret).get("agents"), 401, "not_authenticated")


def test_a_wrong_key_is_refused_even_beside_a_session(bob: User) -> None:
    client = Client(headers={"Authorization": "Bearer drover_nonsense"})
    client.force_login(bob)
    assert client.get(f"{ROOT}agents").status_code == 401


def test_what_a_key_does_is_recorded_under_its_owner(bob_api: ApiClient) -> None:
    assert bob_api.post("agents", AGENT).status_code == 201
    entry = AuditEntry.objects.get(action="agent.created")
    assert (entry.actor_name, entry.via, entry.ip) == ("bob", "api", "127.0.0.1")


def test_a_key_can_do_less_than_its_owner(as_alice: Actor, alice: User) -> None:
    _, secret = keys.create(actor=as_alice, owner=alice, name="reader", role=Role.VIEWER)
    client = with_key(secret)
    assert client.get("agents").status_code == 200
    refusal(client.post("agents", AGENT), 403, "not_allowed")


def test_a_key_loses_what_its_owner_loses(as_alice: Actor, alice: User, bob: User) -> None:
    _, secret = keys.create(actor=as_alice, owner=bob, name="bob's")
    User.objects.filter(pk=bob.pk).update(role=Role.VIEWER)
    refusal(with_key(secret).post("agents", AGENT), 403, "not_allowed")


def test_a_session_reads_without_a_csrf_token(bob: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(bob)
    assert client.get(f"{ROOT}agents").status_code == 200


def test_a_session_does_not_write_without_a_csrf_token(bob: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(bob)
    response = client.post(f"{ROOT}agents", json.dumps(AGENT), content_type="application/json")
    assert "CSRF" in refusal(response, 403, "not_allowed")["message"]


def test_a_session_writes_with_its_csrf_token(bob: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(bob)
    token = "a" * 32
    client.cookies[settings.CSRF_COOKIE_NAME] = token
    response = client.post(
        f"{ROOT}agents", json.dumps(AGENT), content_type="application/json", headers={"X-CSRFToken": token}
    )
    assert response.status_code == 201, response.content


def test_a_person_who_was_deactivated_has_no_session_any_more(bob: User) -> None:
    client = Client()
    client.force_login(bob)
    User.objects.filter(pk=bob.pk).update(is_active=False)
    assert client.get(f"{ROOT}agents").status_code == 401


@pytest.mark.parametrize(
    ("address", "known"), [("10.1.2.3", "10.1.2.3"), ("::1", "::1"), ("", None), ("unix:/run/drover.sock", None)]
)
def test_only_an_address_counts_as_one(rf, address: str, known: str | None) -> None:
    assert client_ip(rf.get("/", REMOTE_ADDR=address)) == known
