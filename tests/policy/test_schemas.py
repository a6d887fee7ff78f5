"""Which JSON schemas are taken, and what is said of answers that do not follow one."""

import json

import pytest

from orchestration.errors import InvalidInput
from orchestration.policy.schemas import DEEPEST, LARGEST, check_schema, problem_of_text, problem_of_value

CITY = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "people": {"type": "integer", "minimum": 1}},
    "required": ["name", "people"],
}


def nested(levels):
    return {} if levels == 0 else {"items": nested(levels - 1)}


@pytest.mark.parametrize(
    "schema",
    [
        CITY,
        {"$defs": {"name": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/name"}}},
        {"definitions": {"name": {"type": "string"}}, "items": {"$ref": "#/definitions/name"}},
        {"type": "object", "properties": {"child": {"$ref": "#"}}},
        {"$id": "https://example.org/city", "items": {"$ref": "#"}},
        {"properties": {"$ref": {"type": "string"}}},
        {"enum": [{"$ref": "https://example.org/no-reference"}]},
        nested(DEEPEST),
    ],
)
def test_a_schema_that_stands_by_itself_is_taken(schema):
    check_schema(schema)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "objekt"}, "is wrong at type"),
        ({"properties": {"a": {"minimum": "one"}}}, r"is wrong at properties\.a\.minimum"),
        ({"pattern": "("}, "is wrong at pattern"),
        ({"pattern": "a" * 501}, "a pattern of 501 characters"),
        ({"$ref": "https://example.org/schema"}, "only its own parts"),
        ({"items": {"$ref": "other.json"}}, "only its own parts"),
        ({"items": {"$dynamicRef": "file:///etc/passwd"}}, "only its own parts"),
        ({"items": {"$ref": "#/$defs/nowhere"}}, "which is not in it"),
        ({"items": {"$id": "https://example.org/inner"}}, r"\$id inside"),
        ({"description": "x" * LARGEST}, "at most 65,536"),
        (nested(DEEPEST + 1), "levels deep"),
        ([], "must be an object"),
        ({"const": {1, 2}}, "not JSON"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_with_what_is_wrong(schema, words):
    for _ in range(2):
        with pytest.raises(InvalidInput, match=words):
            check_schema(schema)


@pytest.mark.parametrize("value", [{"name": "Ulm", "people": 3}, {"name": "", "people": 1, "river": "Danube"}])
def test_an_answer_that_follows_has_no_problem(value):
    assert problem_of_text(json.dumps(value), CITY) == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "It is empty."),
        ("Here you are: {}", "It is not valid JSON"),
        ('{"name": "Ulm", "people": NaN}', "NaN is not a JSON number"),
        ("[" * 100_000, "nested too deeply"),
        ('{"name": "Ulm"}', "the whole: 'people' is a required property."),
        ('{"name": "Ulm", "people": "many"}', "people: 'many' is not of type 'integer'."),
        ('{"name": "Ulm", "people": 0}', "people: 0 is less than the minimum of 1."),
        (json.dumps({"name": ["x" * 5000], "people": 1}), 'name: it does not follow type "string".'),
    ],
)
def test_an_answer_that_does_not_follow_is_told_why(text, words):
    assert words in problem_of_text(text, CITY)


def test_any_json_will_do_where_no_schema_is_given():
    assert problem_of_text("[1, 2]", None) == ""
    assert "not valid JSON" in problem_of_text("[1, 2", None)


def test_places_in_lists_are_numbered():
    schema = {"properties": {"rows": {"items": {"type": "integer"}}}}
    assert problem_of_value({"rows": [1, "two"]}, schema).startswith("rows[1]: ")


def test_names_from_the_answer_can_be_stored():
    assert problem_of_text('{"a\\u0000\\ud800": 1}', {"additionalProperties": {"type": "string"}}).startswith("a?: ")


def test_a_schema_without_end_is_a_problem_and_no_crash():
    assert "without end" in problem_of_value(1, {"$ref": "#"})


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"pattern": "a{99999999999999}"}, "too large or too deep"),
        ({"patternProperties": {"(" * 2000 + ")" * 2000: {}}}, "has a pattern of 4,000 characters"),
        ({"prefixItems": [{}], "$ref": "#/prefixItems/abc"}, "which is not in it"),
        ({"title": "abc", "$ref": "#/title/x"}, "which is not in it"),
    ],
)
def test_what_the_libraries_stumble_over_is_refused_in_words(schema, words):
    with pytest.raises(InvalidInput, match=words):
        check_schema(schema)


def test_a_number_beyond_all_numbers_is_told_in_words() -> None:
    assert "too large" in problem_of_value(10**400, {"multipleOf": 0.1})
