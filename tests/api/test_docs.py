"""The documentation page: everything in it, nothing that a strict content policy would refuse."""

import json
import re

import pytest
from django.test import Client

from orchestration.api import api
from orchestration.api.docs import calls, type_in_words

from .conftest import ROOT


@pytest.fixture
def page(client: Client, db: None) -> str:
    response = client.get("/api/docs")
    assert response.status_code == 200
    assert "default-src 'none'" in response["Content-Security-Policy"]
    return response.content.decode()


def test_every_call_is_on_the_page(page: str) -> None:
    for call in calls(api.get_openapi_schema(path_prefix=ROOT)):
        assert f'id="{call["id"]}"' in page
        assert f'href="#{call["id"]}"' in page


def test_the_page_needs_no_script_and_no_inline_style(page: str) -> None:
    assert "<script" not in page
    assert "<style" not in page
    assert not re.search(r"\s(style|on\w+)=", page)


def test_the_page_loads_nothing_from_elsewhere(page: str) -> None:
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)


def test_the_examples_are_what_the_calls_take() -> None:
    schema = api.get_openapi_schema(path_prefix=ROOT)
    submit = next(call for call in calls(schema) if call["id"] == "submit_tasks")
    body = json.loads(submit["body"])
    assert body["tasks"][0]["type"] == "generate"
    assert set(body) <= set(schema["components"]["schemas"]["SubmitBody"]["properties"])


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ({"type": "string"}, "string"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "integer or null"),
        ({"type": "array", "items": {"$ref": "#/components/schemas/TaskIn"}}, "list of TaskIn"),
        ({"enum": ["chat", "coding"]}, "chat | coding"),
        ({}, "anything"),
    ],
)
def test_types_are_told_in_words(field: dict[str, object], words: str) -> None:
    assert type_in_words(field) == words


def test_the_fields_of_inner_objects_are_listed_too() -> None:
    by_id = {
        call["id"]: [field["name"] for field in call["fields"]]
        for call in calls(api.get_openapi_schema(path_prefix=ROOT))
    }
    assert {"tasks", "tasks[].input", "tasks[].messages[].role"} <= set(by_id["submit_tasks"])
    assert "config.default_model" in by_id["create_agent"]


def test_the_fields_of_a_body_that_may_be_left_out_are_listed() -> None:
    schema = api.get_openapi_schema(path_prefix=ROOT)
    call = next(call for call in calls(schema) if call["id"] == "cancel_matching_tasks")
    assert [field["name"] for field in call["fields"]] == ["expected", "up_to"]
