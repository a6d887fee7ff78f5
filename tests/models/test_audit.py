"""Audit entries: they outlive the people and objects they tell of."""

from typing import Any

from orchestration.models import AuditEntry, User


def entry(**fields: Any) -> AuditEntry:
    kept = {"actor_name": "bob", "via": "api", "action": "agent.deleted", "object_type": "agent", "object_name": "w"}
    return AuditEntry.objects.create(**{**kept, **fields})


def test_an_entry_names_a_person_who_is_gone(bob: User) -> None:
    told = entry(actor=bob, actor_name=bob.username)
    bob.delete()
    told.refresh_from_db()
    assert (told.actor_id, told.actor_name) == (None, "bob")


def test_the_newest_entry_comes_first(db: None) -> None:
    first, second, third = entry(), entry(), entry()
    assert list(AuditEntry.objects.all()) == [third, second, first]


def test_what_was_done_by_nobody_from_nowhere_to_nothing_can_be_told(db: None) -> None:
    told = entry(actor_name="drover", via="process")
    told.refresh_from_db()
    assert (told.actor_id, told.ip, told.object_id, told.detail) == (None, None, None, {})
    assert told.at.utcoffset() is not None


def test_details_and_addresses_come_back_as_they_were(db: None) -> None:
    detail = {"name": ["größe", "🦙"], "enabled": [True, False], "timeout_seconds": [None, 1.5]}
    told = entry(detail=detail, ip="2001:db8::1", object_id=2**40)
    told.refresh_from_db()
    assert (told.detail, told.ip, told.object_id) == (detail, "2001:db8::1", 2**40)


def test_entries_share_no_details() -> None:
    one, two = AuditEntry(), AuditEntry()
    one.detail["name"] = "changed"
    assert two.detail == {}


def test_an_entry_reads_as_a_sentence(db: None) -> None:
    assert str(entry()) == "bob: agent.deleted w"
