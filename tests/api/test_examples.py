"""Examples are made of the description and fit it."""

import pytest

from orchestration.api import api
from orchestration.api.docs import calls
from orchestration.api.examples import example

from .conftest import ROOT
from .test_openapi import deviations

SCHEMA = api.get_openapi_schema(path_prefix=ROOT)


@pytest.mark.parametrize("name", sorted(SCHEMA["components"]["schemas"]))
def test_an_example_fits_its_shape(name: str) -> None:
    part = {"$ref": f"#/components/schemas/{name}"}
    assert list(deviations(example(part, SCHEMA), part, SCHEMA)) == []


@pytest.mark.parametrize("call", [call for call in calls(SCHEMA) if call["fields"]], ids=lambda call: call["id"])
def test_every_call_with_a_body_has_an_example(call: dict[str, str]) -> None:
    assert call["body"].startswith("{")


def test_a_shape_that_contains_itself_has_an_end() -> None:
    node = {"type": "object", "required": ["next"], "properties": {"next": {"$ref": "#/components/schemas/Node"}}}
    assert example({"$ref": "#/components/schemas/Node"}, {"components": {"schemas": {"Node": node}}})
