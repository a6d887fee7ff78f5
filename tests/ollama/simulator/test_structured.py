"""What is made up for a schema is valid under it."""

import re
from random import Random

import pytest

from orchestration.ollama.simulator.structured import Inventor

SEEDS = range(25)


def made(schema, seed):
    return Inventor(schema, "boats in harbours", Random(seed)).value(schema)


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "string"}, str),
        ({"type": "integer"}, int),
        ({"type": "number"}, (int, float)),
        ({"type": "boolean"}, bool),
        ({"type": "null"}, type(None)),
        ({"type": "array"}, list),
        ({"type": "object"}, dict),
        ({"type": ["null", "integer"]}, int),
        ({"properties": {"a": {}}}, dict),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, int),
    ],
)
def test_types_are_kept(schema, kind):
    assert all(isinstance(made(schema, seed), kind) for seed in SEEDS)


@pytest.mark.parametrize("kind", ["integer", "number"])
@pytest.mark.parametrize(
    ("bounds", "holds"),
    [
        ({"minimum": 3, "maximum": 5}, lambda value: 3 <= value <= 5),
        ({"maximum": -3}, lambda value: value <= -3),
        ({"minimum": 1000}, lambda value: value >= 1000),
        ({"exclusiveMinimum": 1, "exclusiveMaximum": 3}, lambda value: 1 < value < 3),
    ],
)
def test_bounds_are_kept(kind, bounds, holds):
    assert all(holds(made({"type": kind, **bounds}, seed)) for seed in SEEDS)


def test_enumerations_constants_and_multiples_are_kept():
    schema = {
        "type": "object",
        "properties": {"a": {"enum": ["x", "y"]}, "b": {"const": 7}, "c": {"type": "integer", "multipleOf": 5}},
        "required": ["a", "b", "c"],
    }
    for seed in SEEDS:
        value = made(schema, seed)
        assert value["a"] in ("x", "y")
        assert value["b"] == 7
        assert value["c"] % 5 == 0


def test_lengths_of_lists_and_texts_are_kept():
    schema = {
        "type": "array",
        "minItems": 2,
        "maxItems": 4,
        "items": {"type": "string", "minLength": 30, "maxLength": 35},
    }
    for seed in SEEDS:
        value = made(schema, seed)
        assert 2 <= len(value) <= 4
        assert all(30 <= len(text) <= 35 for text in value)


def test_required_fields_are_there_at_any_depth_and_references_end():
    schema = {
        "$defs": {
            "node": {
                "type": "object",
                "required": ["name", "children"],
                "properties": {
                    "name": {"type": "string"},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                },
            }
        },
        "$ref": "#/$defs/node",
    }

    def check(value):
        assert {"name", "children"} <= set(value)
        for child in value["children"]:
            check(child)

    for seed in SEEDS:
        check(made(schema, seed))


def test_parts_are_merged_and_formats_followed():
    schema = {
        "allOf": [
            {"properties": {"day": {"type": "string", "format": "date"}}, "required": ["day"]},
            {"properties": {"n": {"type": "integer"}}, "required": ["n"]},
        ]
    }
    value = made(schema, 1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", value["day"])
    assert isinstance(value["n"], int)


def test_a_free_object_is_not_empty():
    assert Inventor({}, "", Random(1)).free_object()
