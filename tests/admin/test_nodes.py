"""Nodes in the admin go through their service: what it refuses is said in the form, and nothing is half written."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from orchestration.models import AuditEntry, Node
from orchestration.services import nodes
from tests.admin.conftest import Person

FORM = {"base_url": "http://10.0.0.9:11434", "slots_per_model": "4", "labels": "fast, big", "enabled": "on"}


def test_a_node_is_added_with_an_audit_entry(admin: Person) -> None:
    page = admin.send("node_add", name="gpu-z", vram_bytes="", **FORM)
    node = Node.objects.get(name="gpu-z")
    assert node.labels == ["fast", "big"]
    assert "was added successfully" in page
    assert AuditEntry.objects.get(action="node.created").object_id == node.pk


def test_an_address_that_may_not_be_called_is_refused_in_the_form_with_the_input_kept(admin: Person) -> None:
    page = admin.send("node_add", name="gpu-z", **{**FORM, "base_url": "http://169.254.169.254/"})
    assert "errorlist" in page
    assert 'value="http://169.254.169.254/"' in page
    assert 'value="gpu-z"' in page
    assert not Node.objects.exists()
    assert not AuditEntry.objects.exists()


def test_a_name_that_is_taken_is_refused_at_its_field(admin: Person, node: Node) -> None:
    assert "already exists" in admin.send("node_add", name=node.name, **FORM)
    assert Node.objects.count() == 1


def test_a_change_writes_only_what_was_changed(admin: Person, node: Node) -> None:
    admin.send("node_change", node.pk, name=node.name, **{**FORM, "base_url": node.base_url, "labels": "slow"})
    entry = AuditEntry.objects.get(action="node.changed")
    assert entry.detail["changes"] == {"labels": [[], ["slow"]], "verify_tls": [True, False]}


def test_a_refused_change_leaves_the_node_as_it_was(admin: Person, node: Node) -> None:
    page = admin.send("node_change", node.pk, name="123", **{**FORM, "base_url": node.base_url})
    assert "digits alone" in page
    assert 'value="123"' in page
    node.refresh_from_db()
    assert (node.name, node.labels) == ("gpu-a", [])


def test_nodes_are_drained_and_resumed_from_the_list(admin: Person, make_node: Any) -> None:
    several = [make_node("gpu-a"), make_node("gpu-b")]
    assert "Draining: gpu-a, gpu-b." in admin.act("node", "drain", *several)
    assert set(Node.objects.values_list("draining", flat=True)) == {True}
    admin.act("node", "resume", several[0])
    assert Node.objects.get(name="gpu-a").draining is False


def test_a_circuit_is_shown_and_closed_from_the_list(admin: Person, node: Node) -> None:
    later = timezone.now() + timedelta(minutes=1)
    Node.objects.update(faults=5, circuit_until=later, circuit_reason="HTTP 500")
    assert "after 5 failures in a row: HTTP 500" in admin.page("node_change", node.pk)
    assert "Gets work again: gpu-a." in admin.act("node", "close_circuit", node)
    assert Node.objects.get().circuit_until is None
    assert "closed" in admin.page("node_change", node.pk)


def test_a_node_is_deleted_after_a_confirmation(admin: Person, node: Node) -> None:
    assert "moves to another node" in admin.page("node_delete", node.pk)
    admin.send("node_delete", node.pk, post="yes")
    assert not Node.objects.exists()
    assert AuditEntry.objects.get(action="node.deleted").object_name == "gpu-a"


def test_several_nodes_are_deleted_from_the_list(admin: Person, make_node: Any) -> None:
    several = [make_node("gpu-a"), make_node("gpu-b"), make_node("gpu-c")]
    assert "gpu-b" in admin.act("node", "delete_selected", *several[:2])
    admin.act("node", "delete_selected", *several[:2], post="yes")
    assert list(Node.objects.values_list("name", flat=True)) == ["gpu-c"]
    assert AuditEntry.objects.filter(action="node.deleted").count() == 2


def test_of_its_headers_only_the_names_are_shown(admin: Person, as_alice: Any) -> None:
    bearer = {"type": "bearer", "token": "tok-5566778899"}
    node = nodes.create(actor=as_alice, name="gpu-z", base_url="http://10.0.0.9:11434", credentials=bearer)
    page = admin.page("node_change", node.pk)
    assert "authorization" in page
    assert "tok-5566778899" not in page
    assert node.sealed_headers not in page
    admin.send("node_change", node.pk, name="gpu-z", **{**FORM, "verify_tls": "on", "labels": "slow"})
    node.refresh_from_db()
    assert node.header_names == ["authorization"]
