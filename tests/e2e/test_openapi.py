"""The whole OpenAPI document, asked with what it allows and what it does not: every answer is one that it names."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from orchestration.api import api
from tests.conftest import IN_CI
from tests.e2e.herd import Drover

pytestmark = pytest.mark.processes

CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]
PHASES = [Phase.explicit, Phase.generate] if IN_CI else [Phase.generate]
"""Where there is time, the hundreds of examples that Schemathesis makes of each body's limits as well."""
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
    phases=PHASES,
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_one_that_the_document_names(case: Any, drover: Drover) -> None:
    _harmless(case)
    headers = {"authorization": drover.client.headers["authorization"]}
    response = case.call(base_url=drover.url, headers=headers, timeout=60)
    try:
        case.validate_response(response, checks=CHECKS)
    except FailureGroup as failures:  # in words that can be printed: what is asked for has halves of surrogate pairs
        pytest.fail(str(failures).encode("utf-8", "backslashreplace").decode(), pytrace=False)
