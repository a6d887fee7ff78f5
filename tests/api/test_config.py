"""The configuration over REST."""

import json
from typing import Any

import pytest

from orchestration.models import Agent, Node
from orchestration.permissions import Actor
from orchestration.services import agents, nodes, presets

from .conftest import ApiClient, refusal


@pytest.fixture(autouse=True)
def team(as_alice: Actor, redis_server: object) -> Actor:
    presets.ensure_built_in()
    agents.ensure_default()
    agents.create(actor=as_alice, name="writer", models=["llama3.2"])
    nodes.create(actor=as_alice, name="gpu-a", base_url="http://gpu-a.test", headers={"X-Team": "herd-secret"})
    return as_alice


def post_yaml(api: ApiClient, path: str, text: str) -> Any:
    from tests.api.conftest import ROOT

    return api._client.post(f"{ROOT}{path}", text, content_type="application/yaml", headers=api.headers)


@pytest.mark.parametrize(("form", "kind"), [("json", "application/json"), ("yaml", "application/yaml")])
def test_everybody_may_export_and_it_is_a_file_without_secrets(form: str, kind: str, carol_api: ApiClient) -> None:
    response = carol_api.get(f"config/export?format={form}")
    assert (response.status_code, response["Content-Type"]) == (200, kind)
    assert response["Content-Disposition"] == f'attachment; filename="drover-config.{form}"'
    text = response.content.decode()
    assert "gpu-a" in text
    assert "herd-secret" not in text
    assert text == carol_api.get(f"config/export?format={form}").content.decode()


def test_what_is_exported_can_be_imported(alice_api: ApiClient) -> None:
    text = alice_api.get("config/export?format=yaml").content.decode()
    agents_only = alice_api.get("config/export?sections=agents").json()
    assert set(agents_only) == {"drover_config", "agents"}
    Agent.objects.filter(name="writer").update(description="changed")
    trial = post_yaml(alice_api, "config/import?dry_run=true&mode=replace", text).json()
    assert trial["applied"] is False
    assert trial["counts"] == {"added": 0, "changed": 1, "removed": 0, "unchanged": 8}
    assert trial["changes"] == [
        {
            "section": "agents",
            "name": "writer",
            "change": "changed",
            "fields": [{"field": "description", "before": "changed", "after": ""}],
        }
    ]
    done = post_yaml(alice_api, f"config/import?mode=replace&based_on={trial['based_on']}", text).json()
    assert (done["applied"], done["changes"]) == (True, trial["changes"])
    assert alice_api.get("config/export?format=yaml").content.decode() == text
    refusal(post_yaml(alice_api, f"config/import?mode=replace&based_on={trial['based_on']}", text), 409, "conflict")


def test_every_problem_has_its_path(alice_api: ApiClient) -> None:
    body = {"drover_config": 1, "agents": [{"name": "a", "timeout_seconds": 0, "odd": 1}], "nodes": [{"name": "n"}]}
    error = refusal(alice_api.post("config/import", body), 422, "invalid_config")
    paths = {each["path"] for each in error["detail"]["problems"]}
    assert paths == {"agents[0].timeout_seconds", "agents[0].odd", "nodes[0].base_url"}
    answer = alice_api.post("config/validate", body).json()
    assert (answer["valid"], answer["outcome"]) == (False, None)
    assert {each["path"] for each in answer["problems"]} == paths
    assert not Agent.objects.filter(name="a").exists()


def test_a_valid_one_is_checked_without_being_imported(alice_api: ApiClient) -> None:
    answer = alice_api.post("config/validate", {"drover_config": 1, "agents": [{"name": "a"}]}).json()
    assert (answer["valid"], answer["problems"], answer["outcome"]["counts"]["added"]) == (True, [], 1)
    assert not Agent.objects.filter(name="a").exists()


@pytest.mark.parametrize("body", [b"", b"[", b"\xff", b"[" * 100_000])
def test_what_cannot_be_read_is_refused(body: bytes, alice_api: ApiClient) -> None:
    refusal(alice_api.request("POST", "config/import", body), 400, "invalid_input")


def test_credentials_travel_only_with_a_passphrase(alice_api: ApiClient) -> None:
    response = alice_api.post("config/export", {"passphrase": "größe des stalls", "sections": ["nodes"]})
    document = response.json()
    assert b"herd-secret" not in response.content
    alice_api.post("config/reset", {"sections": ["nodes"]})
    without = alice_api.post("config/import?dry_run=true", document).json()
    assert len(without["warnings"]) == 1
    refusal(alice_api.post("config/import", document, X_Passphrase="something else"), 422, "invalid_config")
    phrase = "gr%C3%B6%C3%9Fe%20des%20stalls"
    answer = alice_api.post("config/import", document, X_Passphrase=phrase).json()
    assert (answer["credentials_restored"], answer["warnings"]) == (["gpu-a"], [])
    assert Node.objects.get().header_names == ["x-team"]
    assert "herd-secret" not in json.dumps(answer)


def test_a_reset_is_tried_first(alice_api: ApiClient) -> None:
    trial = alice_api.post("config/reset", {"sections": ["agents"], "dry_run": True}).json()
    assert [(each["name"], each["change"]) for each in trial["changes"]] == [("writer", "removed")]
    assert alice_api.post("config/reset", {"sections": ["agents"], "based_on": trial["based_on"]}).json()["applied"]
    assert list(Agent.objects.values_list("name", flat=True)) == ["default"]
    refusal(alice_api.post("config/reset", {"sections": ["users"]}), 400, "invalid_input")


def test_roles(bob_api: ApiClient, carol_api: ApiClient, anybody: ApiClient) -> None:
    refusal(bob_api.post("config/import", {"drover_config": 1}), 403, "not_allowed")
    refusal(bob_api.post("config/validate", {"drover_config": 1}), 403, "not_allowed")
    refusal(carol_api.post("config/reset", {}), 403, "not_allowed")
    refusal(carol_api.post("config/export", {"passphrase": "long enough"}), 403, "not_allowed")
    refusal(anybody.get("config/export"), 401, "not_authenticated")
