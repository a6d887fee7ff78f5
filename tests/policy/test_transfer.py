"""The configuration as a document: one way to write it, and every problem of one that is read, with its path."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.errors import InvalidInput
from orchestration.policy.transfer import Column, Kind, Shape, canonical, chosen, invalid, parse, read, written

AGENTS = Shape(
    name="agents",
    noun="agent",
    columns=(
        Column(name="name", kind=Kind.TEXT),
        Column(name="models", kind=Kind.TEXTS),
        Column(name="options", kind=Kind.OBJECT),
        Column(name="timeout_seconds", kind=Kind.NUMBER, nullable=True),
        Column(name="max_tries", kind=Kind.WHOLE, nullable=True),
        Column(name="memory_enabled", kind=Kind.FLAG),
        Column(name="answer_schema", kind=Kind.ANY),
    ),
)
WORKFLOWS = Shape(name="workflows", noun="workflow")
DEFAULTS = Shape(name="fleet_defaults", noun="defaults", single=True, columns=(Column(name="preset", kind=Kind.TEXT),))
RETENTION = Shape(
    name="retention",
    noun="rule",
    key="agent",
    whole="all others",
    columns=(Column(name="agent", kind=Kind.TEXT, nullable=True), Column(name="days", kind=Kind.WHOLE)),
)
SHAPES = (DEFAULTS, AGENTS, WORKFLOWS, RETENTION)

WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=10,
)


def problems_of(**sections: Any) -> list[str]:
    return [str(problem) for problem in read({"drover_config": 1, **sections}, SHAPES).problems]


def test_a_document_is_read_object_by_object() -> None:
    agent = {"name": " writer ", "models": ["a"], "options": {}, "timeout_seconds": 5, "answer_schema": None}
    found = read({"drover_config": 1, "agents": [agent], "fleet_defaults": {"preset": "fast"}}, SHAPES)
    assert not found.problems
    (item,) = found.sections["agents"]
    assert (item.path, item.key) == ("agents[0]", "writer")
    assert item.fields == {**agent, "name": "writer"}
    assert isinstance(item.fields["timeout_seconds"], float)
    assert found.sections["fleet_defaults"][0].fields == {"preset": "fast"}
    assert set(found.sections) == {"agents", "fleet_defaults"}


def test_every_problem_is_named_with_its_path() -> None:
    agents = [
        {"name": "a", "models": "x", "options": [], "max_tries": 1.5, "memory_enabled": 1, "modles": []},
        {"models": []},
        {"name": "a"},
        7,
        {"name": 3, "timeout_seconds": "long"},
    ]
    assert problems_of(agents=agents, agentz=[], fleet_defaults=[], workflows={}) == [
        "agentz: There is no such section. Did you mean agents?",
        "fleet_defaults: It is an object.",
        "agents[0].models: It is a list of texts.",
        "agents[0].options: It is an object.",
        "agents[0].max_tries: It is a whole number or null.",
        "agents[0].memory_enabled: It is true or false.",
        "agents[0].modles: There is no such field. Did you mean models?",
        "agents[1].name: Each agent has a name, a text.",
        "agents[2].name: 'a' is there already, as agents[0].",
        "agents[3]: It is an object.",
        "agents[4].timeout_seconds: It is a number or null.",
        "agents[4].name: Each agent has a name, a text.",
        "workflows: It is a list of objects, each with its name.",
    ]


def test_the_fields_that_are_well_are_kept_beside_those_that_are_not() -> None:
    found = read({"drover_config": 1, "agents": [{"name": "a", "models": 1, "max_tries": 2}]}, SHAPES)
    assert found.sections["agents"][0].fields == {"name": "a", "max_tries": 2}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([], "A configuration is an object with drover_config: 1"),
        ({}, "drover_config: It says which form this is in"),
        ({"drover_config": True}, "drover_config: It says which form"),
        ({"drover_config": 0}, "drover_config: It says which form"),
        ({"drover_config": 2}, "drover_config: This was written by a newer Drover"),
        ({"drover_config": 1, "agents": [{"name": "\x00"}]}, "what no database can keep"),
        ({"drover_config": 1, "secrets": "x"}, "secrets: It is an object"),
    ],
)
def test_what_is_no_configuration_of_this_drover_is_refused(data: Any, words: str) -> None:
    (problem,) = read(data, SHAPES).problems
    assert words in str(problem)


def test_when_it_was_exported_is_of_no_matter() -> None:
    assert not problems_of(exported_at="2026-11-21T10:00:00Z")


def test_a_section_may_have_one_object_for_all_that_are_not_named() -> None:
    found = read({"drover_config": 1, "retention": [{"agent": None, "days": 3}, {"agent": "a", "days": 4}]}, SHAPES)
    assert [(item.key, item.fields["agent"]) for item in found.sections["retention"]] == [("", None), ("a", "a")]
    assert problems_of(retention=[{"days": 3}, {"agent": None}]) == [
        "retention[1].agent: 'all others' is there already, as retention[0]."
    ]


def test_the_error_has_all_problems_and_its_message_the_first_few() -> None:
    error = invalid(read({"drover_config": 1, "agents": [1, 2, 3, 4, 5]}, SHAPES).problems)
    assert error.message.startswith("agents[0]: It is an object.")
    assert error.message.endswith("And 2 more.")
    assert [each["path"] for each in error.detail["problems"]] == [f"agents[{number}]" for number in range(5)]


def test_objects_come_by_their_names_and_fields_in_one_order() -> None:
    rows = [
        {"models": [], "options": {"top_p": 1, "seed": 2}, "name": "b", "answer_schema": {"z": 1, "a": 2}},
        {"name": "a"},
    ]
    document = canonical({"agents": rows, "fleet_defaults": [{"preset": ""}]}, SHAPES)
    assert list(document) == ["drover_config", "fleet_defaults", "agents"]
    assert [row["name"] for row in document["agents"]] == ["a", "b"]
    assert list(document["agents"][1]) == ["name", "models", "options", "answer_schema"]
    assert list(document["agents"][1]["options"]) == ["seed", "top_p"]
    assert list(document["agents"][1]["answer_schema"]) == ["z", "a"]
    assert document["fleet_defaults"] == {"preset": ""}


@pytest.mark.parametrize("yaml", [True, False])
@given(rows=st.lists(st.dictionaries(WORDS, VALUES, max_size=4), max_size=3))
def test_what_is_written_is_read_the_same_in_both_forms(yaml: bool, rows: list[dict[str, Any]]) -> None:
    document = {"drover_config": 1, "workflows": rows}
    assert repr(parse(written(document, yaml=yaml).encode(), yaml=yaml)) == repr(document)


@pytest.mark.parametrize(
    ("text", "yaml", "words"),
    [
        (b"{", False, "This is no JSON"),
        (b"\xff", False, "not UTF-8 at byte 0"),
        (b"\xff", True, "not UTF-8 at byte 0"),
        (b"a: [", True, "Line "),
        (b"a: &x 1\nb: *x", True, "aliases are not taken"),
        (b"a: 1\na: 2", True, "stands here twice"),
        (b"[" * 200 + b"]" * 200, False, "nested too deeply"),
        (b"[" * 200 + b"]" * 200, True, "nested too deeply"),
        (b"[" * 100_000, False, "nested too deeply"),
        (b'{"a": NaN}', False, "NaN"),
        (b'{"a": ' + b"1" * 5000 + b"}", False, "a number that is too long"),
        (b"x" * (4 * 1024 * 1024 + 1), True, "at most 4,096 KiB"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_cannot_be_read_is_refused_in_words(text: bytes, yaml: bool, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        parse(text, yaml=yaml)


def test_sections_are_chosen_by_their_names() -> None:
    assert chosen([], SHAPES) == list(SHAPES)
    assert chosen(["workflows", "agents"], SHAPES) == [AGENTS, WORKFLOWS]
    with pytest.raises(InvalidInput, match=r"no section 'agent'.*Did you mean agents"):
        chosen(["agent"], SHAPES)
