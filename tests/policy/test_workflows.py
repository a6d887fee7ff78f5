"""Definitions: what is read, what is refused with the step named, and that what is stored is read the same."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.errors import InvalidWorkflow
from orchestration.policy.workflows import as_json, read

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=20,
)
FIELDS = st.sampled_from(
    ["name", "type", "input", "messages", "agent", "depends_on", "after", "for_each", "most", "parameters", "think"]
)


def step(name: str = "plan", **fields: Any) -> dict[str, Any]:
    return {"name": name, "type": "generate", "input": "Plan it.", **fields}


def definition(*steps: Any, **fields: Any) -> dict[str, Any]:
    return {"name": "site", "steps": list(steps) or [step()], **fields}


def problems(data: Any) -> list[tuple[str, str, str]]:
    with pytest.raises(InvalidWorkflow) as caught:
        read(data)
    return [(each.step, each.field, each.message) for each in caught.value.problems]


def test_what_is_as_by_default_is_not_stored() -> None:
    given = definition(
        step(condition="", most=None, parameters={}),
        step("code", depends_on=[], for_each="{{plan}}", parallel=2, think=False, after=["plan"]),
        limits={"max_steps": 20},
        inputs={"topic": {"default": "cats", "description": "What about"}, "place": None},
        continue_on_error=False,
    )
    stored = as_json(read(given))
    assert stored["steps"][0] == step()
    assert stored["steps"][1] == step(
        "code", depends_on=[], for_each="{{plan}}", parallel=2, think=False, after=["plan"]
    )
    assert stored["inputs"] == {"topic": {"default": "cats", "description": "What about"}, "place": {}}
    assert "continue_on_error" not in stored
    assert read(stored) == read(given)


def test_a_step_with_messages_is_a_chat_unless_it_says_otherwise() -> None:
    messages = [{"role": "user", "content": "Hello"}]
    assert read(definition({"name": "talk", "messages": messages})).steps[0].type == "chat"
    assert read(definition({"name": "say", "input": "Hello"})).steps[0].type == "generate"


def test_every_problem_is_listed_with_its_step() -> None:
    found = problems(
        definition(
            step(inptu="x"),
            step("code", input=" "),
            step("code", most=2),
            step("step1"),
            step("previous"),
            step("1st"),
            step("both", messages=[{"role": "user", "content": "x"}]),
            step("odd", timeout_seconds=-1, max_tries=True, depends_on=[1], think=3),
            "text",
            name="",
        )
    )
    assert [(name, field) for name, field, _ in found] == [
        ("plan", "inptu"),
        ("code", "input"),
        ("code", "for_each"),
        ("code", "name"),
        ("step1", "name"),
        ("previous", "name"),
        ("1st", "name"),
        ("both", "input"),
        ("odd", "depends_on"),
        ("odd", "think"),
        ("odd", "timeout_seconds"),
        ("odd", "max_tries"),
        ("", ""),
        ("", "name"),
    ]
    assert "Did you mean input?" in found[0][2]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "is an object"),
        ([], "is an object"),
        ({"name": "x"}, "1 to 500 steps"),
        ({"name": "x", "steps": {}}, "steps is a list"),
        (definition(name="12"), "no number"),
        (definition(name="a/b"), "no slash"),
        (definition(inputs={"a b": {}}), "is no name"),
        (definition(inputs={"a": "b"}), "is an object with default"),
        (definition(inputs={"a": {"requird": True}}), "Did you mean required?"),
        (definition(limits={"max_steps": 0}), "from 1 to"),
        (definition(limits={"max_seconds": float("nan")}), "no database"),
        (definition(step(input="a\x00b")), "no database"),
        (definition(step(input="\ud800")), "no database"),
        (definition(*[step(f"s{n}") for n in range(501)]), "1 to 500 steps"),
    ],
)
def test_what_cannot_be_a_workflow_is_refused(data: Any, words: str) -> None:
    assert any(words in message for _, _, message in problems(data))


@given(st.dictionaries(FIELDS, JSON, max_size=6))
def test_whatever_a_step_holds_it_is_read_or_refused(fields: dict[str, Any]) -> None:
    try:
        found = read(definition({**step(), **fields}))
    except InvalidWorkflow:
        return
    assert read(as_json(found)) == found


@given(JSON)
def test_whatever_is_given_it_is_read_or_refused(data: Any) -> None:
    with pytest.raises(InvalidWorkflow):
        read(data)
