"""Every path and method below the API answers in JSON."""

import pytest

from orchestration.models import Agent

from .conftest import ApiClient, refusal


def test_an_unknown_route_is_404_with_the_nearest_one(bob_api: ApiClient) -> None:
    assert "Did you mean tasks?" in refusal(bob_api.get("taskss"), 404, "not_found")["message"]


@pytest.mark.parametrize("path", ["nothing-like-it", "tasks/abc", "tasks/1/explode", "runs/x", "a/b/c/d"])
def test_unknown_routes_answer_in_json(bob_api: ApiClient, path: str) -> None:
    refusal(bob_api.get(path), 404, "not_found")


def test_an_unknown_route_takes_any_method(bob_api: ApiClient) -> None:
    refusal(bob_api.post("task", {"tasks": []}), 404, "not_found")


def test_a_method_that_a_route_does_not_take_says_which_it_takes(bob_api: ApiClient) -> None:
    response = bob_api.delete("tasks")
    error = refusal(response, 405, "method_not_allowed")
    assert sorted(error["detail"]["allowed"]) == ["GET", "POST"]
    assert "GET" in response["Allow"]


def test_an_async_route_refuses_methods_in_json_too(bob_api: ApiClient) -> None:
    refusal(bob_api.post("tasks/1/stream"), 405, "method_not_allowed")


def test_a_trailing_slash_is_the_same_route(bob_api: ApiClient, agent: Agent) -> None:
    assert bob_api.get("agents/").json() == bob_api.get("agents").json()
    assert bob_api.post("agents/", {"name": "second"}).status_code == 201


def test_the_root_leads_to_the_documentation(anybody: ApiClient) -> None:
    assert anybody.get("").json() == {"documentation": "/api/docs", "openapi": "/api/openapi.json"}


@pytest.mark.parametrize("path", ["agents/a%00b", "tasks?text=a%00b", "tasks?cursor=%00"])
def test_an_address_with_nul_is_refused(bob_api: ApiClient, path: str) -> None:
    assert "NUL" in refusal(bob_api.get(path), 400, "invalid_input")["message"]


def test_a_key_with_nul_is_refused(bob_api: ApiClient, agent: Agent) -> None:
    body = {"agent_id": "writer", "tasks": [{"type": "generate", "input": "x"}]}
    refusal(bob_api.post("tasks", body, Idempotency_Key="a\0b"), 400, "invalid_input")


def test_more_parameters_than_anybody_needs_are_refused(bob_api: ApiClient) -> None:
    refusal(bob_api.get("tasks?" + "status=failed&" * 1100), 400, "invalid_input")
