"""Texts as a database takes them."""

from orchestration.policy.storing import all_storable, storable


def test_characters_no_database_takes_are_left_out():
    assert storable("a\0b\ud800c🦙") == "ab?c🦙"


def test_every_text_in_a_value_is_made_so():
    value = {"a\0": ["b\0", {"c": ("d\0", 1, None, True)}]}
    assert all_storable(value) == {"a": ["b", {"c": ["d", 1, None, True]}]}
