"""Bodies about workflows: only what was sent goes on, JSON and YAML mean the same, shapes are refused."""

import json
from typing import Any

import pytest
from django.http import HttpRequest
from django.test import RequestFactory
from ninja.errors import ValidationError

from orchestration.api.workflow_bodies import DefinitionBody, StepIn, WorkflowBody, definition_in, plain
from orchestration.errors import InvalidInput

STEP: dict[str, Any] = {"name": "plan", "input": "Plan it."}


def request(body: bytes, content_type: str) -> HttpRequest:
    return RequestFactory().post("/", body, content_type=content_type)


def test_what_was_not_sent_is_left_out() -> None:
    assert plain(DefinitionBody(name="site", steps=[StepIn(**STEP)])) == {"name": "site", "steps": [STEP]}
    assert plain(WorkflowBody(steps=[StepIn(**STEP, depends_on=[])])) == {"steps": [{**STEP, "depends_on": []}]}


def test_json_and_yaml_mean_the_same() -> None:
    data = {"name": "site", "steps": [STEP]}
    text = "name: site\nsteps:\n- {name: plan, input: Plan it.}\n"
    assert definition_in(request(json.dumps(data).encode(), "application/json")) == (data, None)
    for content_type in ("application/yaml", "text/yaml; charset=utf-8"):
        assert definition_in(request(text.encode(), content_type)) == (data, text)


@pytest.mark.parametrize("step", [{"nam": "x"}, {**STEP, "most": 0}, {**STEP, "depends_on": "a"}, {**STEP, "think": 3}])
def test_a_step_of_another_shape_is_refused(step: dict[str, Any]) -> None:
    body = json.dumps({"name": "site", "steps": [step]}).encode()
    with pytest.raises(ValidationError):
        definition_in(request(body, "application/json"))


def test_yaml_in_another_encoding_is_refused() -> None:
    with pytest.raises(InvalidInput, match="UTF-8"):
        definition_in(request("name: ü".encode("latin-1"), "application/yaml"))
