"""Audit entries on the wire."""

from typing import Any

import pytest

from orchestration.models import AuditEntry
from orchestration.payloads import AuditPayload, audit_entry
from tests.payloads.conftest import AT, SENT, Exactly


def stored(**fields: Any) -> AuditEntry:
    who = {"pk": 1, "at": AT, "actor_name": "bob", "via": "api", "ip": "192.0.2.7"}
    what = {"action": "agent.deleted", "object_type": "agent", "object_id": 4, "object_name": "writer"}
    return AuditEntry(**{**who, **what, **fields})


@pytest.mark.parametrize("fields", [{}, {"object_id": None}, {"detail": {"tasks": 3, "names": ["ü"], "was": None}}])
def test_an_entry_has_every_field(exactly: Exactly, fields: dict[str, Any]) -> None:
    sent = audit_entry(stored(**fields))
    exactly(AuditPayload, sent)
    assert sent["at"] == SENT
    assert {name: sent[name] for name in fields} == fields


def test_the_name_at_that_time_is_told_though_the_person_is_gone() -> None:
    assert audit_entry(stored(actor_id=None))["actor"] == "bob"


def test_the_address_of_a_person_stays_with_the_administrators() -> None:
    assert "192.0.2.7" not in audit_entry(stored()).values()
