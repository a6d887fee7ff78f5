"""A search is for maintainers, in private networks, and on record before it begins."""

import pytest

from orchestration.errors import InvalidInput, NotAllowed
from orchestration.models import AuditEntry
from orchestration.services import discovery


def test_a_search_is_on_record_with_what_was_asked(as_alice):
    urls = discovery.begin(actor=as_alice, subnets=["10.0.0.0/30"], ports=[11434, 8080])
    assert urls == [f"http://10.0.0.{host}:{port}" for host in (1, 2) for port in (11434, 8080)]
    entry = AuditEntry.objects.get()
    assert entry.action == "node.searched"
    assert entry.detail == {"subnets": ["10.0.0.0/30"], "ports": [11434, 8080], "addresses": 2}


def test_an_operator_may_not_search(as_bob):
    with pytest.raises(NotAllowed):
        discovery.begin(actor=as_bob, subnets=["10.0.0.1"])
    assert not AuditEntry.objects.exists()


def test_where_private_nodes_are_switched_off_there_is_nothing_to_search(as_alice, settings):
    settings.DROVER_ALLOW_PRIVATE_NODES = False
    with pytest.raises(InvalidInput, match="not allowed by the settings"):
        discovery.begin(actor=as_alice, subnets=["10.0.0.1"])


def test_what_is_connected_already_is_known_by_its_address(node):
    assert discovery.known() == {"http://gpu-a.test:11434": "gpu-a"}
