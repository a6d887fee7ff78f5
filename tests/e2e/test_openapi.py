"""The whole OpenAPI document, asked with what it allows and what it does not: every answer is one that it names."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from orchestration.api import api
from tests.e2e.herd import Drover

pytestmark = pytest.mark.processes

CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]
NOWHERE = "http://127.0.0.1:9"
schema = schemathesis.openapi.from_dict(api.get_openapi_schema())


def _harmless(case: Any) -> None:
    """Nobody waits for an end, and no address but this machine's is called."""
    if case.query and "wait" in case.query:
        case.query["wait"] = 0
    body = case.body
    if isinstance(body, dict) and isinstance(body.get("base_url"), str):
        body["base_url"] = NOWHERE


@schema.parametrize()
@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_one_that_the_document_names(case: Any, drover: Drover) -> None:
    _harmless(case)
    response = case.call(base_url=drover.url, headers={"authorization": drover.client.headers["authorization"]}, timeout=60)
    case.validate_response(response, checks=CHECKS)
