"""Headers of nodes: replaced, kept, dropped with the server, and told to nobody."""

import pytest

from orchestration import payloads
from orchestration.errors import InvalidInput
from orchestration.models import AuditEntry, Node
from orchestration.services import node_headers, nodes, secrets

URL = "https://gpu.example:11434"
TOKEN = "tok-4a5b6c7d8e9f"
BEARER = {"type": "bearer", "token": TOKEN}


@pytest.fixture
def guarded(as_alice):
    return nodes.create(actor=as_alice, name="gpu-z", base_url=URL, credentials=BEARER, headers={"X-Team": "blue"})


def stored(node):
    node.refresh_from_db()
    return secrets.opened(node.sealed_headers)


def test_they_are_kept_sealed_and_only_their_names_are_told(guarded):
    assert stored(guarded) == {"authorization": f"Bearer {TOKEN}", "x-team": "blue"}
    assert TOKEN not in guarded.sealed_headers
    told = payloads.node(guarded)
    assert (told["header_names"], told["has_credentials"]) == (["authorization", "x-team"], True)
    assert TOKEN not in repr(told) + repr(AuditEntry.objects.get().detail)


def test_a_user_and_a_password_are_credentials_too(as_alice, guarded):
    basic = {"type": "basic", "user": "ana", "password": "p:w"}
    nodes.update(actor=as_alice, node_id=guarded.pk, credentials=basic)
    assert stored(guarded) == {"authorization": "Basic YW5hOnA6dw==", "x-team": "blue"}


def test_what_is_not_sent_stays_as_it_is(as_alice, guarded):
    nodes.update(actor=as_alice, node_id=guarded.pk, labels=["fast"])
    assert set(stored(guarded)) == {"authorization", "x-team"}
    assert "headers" not in AuditEntry.objects.latest("pk").detail


def test_headers_replace_each_other_but_not_the_credentials(as_alice, guarded):
    nodes.update(actor=as_alice, node_id=guarded.pk, headers={"X-Zone": "eu"})
    assert stored(guarded) == {"authorization": f"Bearer {TOKEN}", "x-zone": "eu"}


def test_a_name_without_a_value_keeps_the_one_that_is_stored(as_alice, guarded):
    nodes.update(actor=as_alice, node_id=guarded.pk, headers={"X-Team": None, "X-Zone": "eu"})
    assert stored(guarded) == {"authorization": f"Bearer {TOKEN}", "x-team": "blue", "x-zone": "eu"}


@pytest.mark.parametrize(
    ("fields", "left"),
    [
        ({"credentials": None}, {"x-team": "blue"}),
        ({"headers": {}}, {"authorization": f"Bearer {TOKEN}"}),
        ({"headers": {}, "credentials": None}, {}),
    ],
)
def test_both_can_be_removed(as_alice, guarded, fields, left):
    nodes.update(actor=as_alice, node_id=guarded.pk, **fields)
    assert stored(guarded) == left
    assert guarded.header_names == sorted(left)


@pytest.mark.parametrize(
    "address", ["https://mine.example:11434", "https://gpu.example:8443", "http://gpu.example:11434"]
)
def test_another_server_is_never_sent_what_was_stored_for_the_old_one(as_alice, guarded, address):
    nodes.update(actor=as_alice, node_id=guarded.pk, base_url=address)
    assert stored(guarded) == {}
    assert guarded.header_names == []
    assert "dropped" in AuditEntry.objects.latest("pk").detail["headers"]


def test_another_server_gets_what_is_entered_for_it_and_nothing_else(as_alice, guarded):
    nodes.update(
        actor=as_alice,
        node_id=guarded.pk,
        base_url="https://mine.example",
        credentials={"type": "bearer", "token": "new-one"},
    )
    assert stored(guarded) == {"authorization": "Bearer new-one"}


def test_a_stored_value_cannot_be_carried_over_to_another_server(as_alice, guarded):
    with pytest.raises(InvalidInput, match="enter it"):
        nodes.update(
            actor=as_alice, node_id=guarded.pk, base_url="https://mine.example", headers={"authorization": None}
        )
    assert Node.objects.get().base_url == URL


def test_another_path_on_the_same_server_keeps_them(as_alice, guarded):
    nodes.update(actor=as_alice, node_id=guarded.pk, base_url=f"{URL}/ollama")
    assert set(stored(guarded)) == {"authorization", "x-team"}


def test_the_audit_trail_says_that_they_changed_and_not_to_what(as_alice, guarded):
    nodes.update(actor=as_alice, node_id=guarded.pk, credentials={"type": "bearer", "token": "another-one"})
    detail = AuditEntry.objects.latest("pk").detail
    assert detail["headers"] == "changed: authorization, x-team"
    assert "another-one" not in repr(detail)


@pytest.mark.parametrize(
    "fields",
    [
        {"headers": {"Host": "x"}},
        {"headers": {"X-A": "a\nb"}},
        {"headers": {"X-A": 1}},
        {"headers": {"X-A": None}},
        {"headers": "X-A: b"},
        {"credentials": {"type": "magic"}},
        {"credentials": {"type": "bearer", "token": "a b"}},
        {"credentials": "secret"},
    ],
)
def test_what_cannot_be_sent_leaves_no_node(as_alice, fields):
    with pytest.raises(InvalidInput):
        nodes.create(actor=as_alice, name="gpu-z", base_url=URL, **fields)
    assert not Node.objects.exists()


def test_with_a_lost_key_they_can_be_entered_again_or_removed_but_not_kept(as_alice, guarded, settings):
    settings.SECRET_KEY = "another one"
    with pytest.raises(InvalidInput, match="DROVER_SECRETS_KEYS"):
        nodes.update(actor=as_alice, node_id=guarded.pk, headers={"X-Zone": "eu"})
    nodes.update(actor=as_alice, node_id=guarded.pk, headers={"X-Zone": "eu"}, credentials=None)
    assert stored(guarded) == {"x-zone": "eu"}


def test_what_is_typed_into_a_form_is_sealed_for_one_look():
    sealed = node_headers.of_form({"credentials": BEARER, "headers": {"X-A": "b"}})
    assert secrets.opened(sealed) == {"authorization": f"Bearer {TOKEN}", "x-a": "b"}
    assert node_headers.of_form({}) == ""
