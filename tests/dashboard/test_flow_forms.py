"""The inputs of a run as fields: texts as they are, everything else as JSON."""

from dashboard.flow_forms import RunForm, blank, listed_problems
from orchestration.errors import Conflict, InvalidInput
from orchestration.policy.workflows import Problem, invalid

DEFINITION = {
    "inputs": {
        "topic": {"default": "cats", "required": True, "description": "What about"},
        "tags": {"default": ["a"]},
        "free": {},
    }
}


def test_defaults_stand_in_the_fields() -> None:
    fields = RunForm(DEFINITION).fields
    assert [(field.name, field.value, field.required) for field in fields] == [
        ("topic", "cats", True),
        ("tags", '["a"]', False),
        ("free", "", False),
    ]
    assert RunForm({}).fields == []


def test_what_is_no_text_by_default_is_read_as_json_where_it_can_be() -> None:
    sent = {"input.topic": "1\r\n2", "input.tags": "[1, 2]", "input.free": "[3]"}
    assert RunForm(DEFINITION, sent).values() == {"topic": "1\n2", "tags": [1, 2], "free": "[3]"}
    assert RunForm(DEFINITION, {**sent, "input.tags": "a, b"}).values()["tags"] == "a, b"


def test_long_texts_get_more_room() -> None:
    rows = [field.rows for field in RunForm(DEFINITION, {"input.topic": "line\n" * 50, "input.tags": ""}).fields]
    assert rows == [8, 1, 1]


def test_every_complaint_becomes_a_list() -> None:
    listed = listed_problems(invalid([Problem(message="bad", step="a", number=0)]))
    assert [(each["message"], each["step"]) for each in listed] == [("bad", "a")]
    assert listed_problems(InvalidInput("Line 2: bad", field="yaml", line=2))[0]["line"] == 2
    assert listed_problems(Conflict("taken"))[0]["message"] == "taken"


def test_a_new_workflow_has_one_step_to_fill_in() -> None:
    assert [step["input"] for step in blank()["steps"]] == [""]
