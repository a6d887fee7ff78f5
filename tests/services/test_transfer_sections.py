"""The sections of the configuration have all that can be decided, and nothing that is secret or only so for now."""

import pytest

from orchestration.models import Agent
from orchestration.policy.transfer import Kind, read
from orchestration.services import agents, defaults, model_configs, nodes, presets
from orchestration.services.transfer_sections import blank, columns_of, sections

BY_NAME = {section.shape.name: section for section in sections()}


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("agents", agents.FIELDS),
        ("model_configs", model_configs.FIELDS),
        ("presets", presets.FIELDS),
        ("fleet_defaults", defaults.FIELDS),
        ("nodes", nodes.FIELDS),
    ],
)
def test_every_field_that_people_can_set_is_in_it(name: str, fields: tuple[str, ...]) -> None:
    assert {column.name for column in BY_NAME[name].shape.columns or ()} == set(fields)


def test_secrets_and_what_is_so_for_now_are_not_in_it() -> None:
    names = {column.name for section in sections() for column in section.shape.columns or ()}
    assert not [name for name in names if "sealed" in name or "header" in name or "drain" in name]


def test_columns_say_what_they_hold_and_what_they_are_at_first() -> None:
    names = ("models", "options", "think", "max_tries", "timeout_seconds", "memory_enabled", "name", "absent")
    found = {column.name: column for column in columns_of(Agent, names, max_tries=2)}
    assert [column.kind for column in found.values()] == [
        Kind.TEXTS, Kind.OBJECT, Kind.ANY, Kind.WHOLE, Kind.NUMBER, Kind.FLAG, Kind.TEXT,
    ]  # fmt: skip
    assert (found["models"].default, found["name"].default, found["max_tries"].default) == ([], None, 2)
    assert (found["max_tries"].nullable, found["models"].nullable) == (True, False)


def test_what_is_not_said_is_completed_without_being_shared() -> None:
    first, second = BY_NAME["agents"].complete({"name": "a"}), BY_NAME["agents"].complete({"name": "b"})
    first["models"].append("x")
    assert (second["models"], second["max_concurrent_tasks"], second["name"]) == ([], 3, "b")


def test_a_new_drover_is_a_configuration_too() -> None:
    shapes = [section.shape for section in sections()]
    given = read(blank(shapes), shapes)
    assert not given.problems
    assert [item.key for item in given.sections["agents"]] == ["default"]
    assert len(given.sections["presets"]) == 5
