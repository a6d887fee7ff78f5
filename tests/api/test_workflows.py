"""Workflows over REST: the answer's shape, definitions as JSON and YAML, versions, refusals with every problem."""

import json
from typing import Any

import pytest
from django.utils import timezone

from orchestration.models import Agent, Node, Task
from orchestration.policy.states import TaskStatus
from orchestration.services import steps

from .conftest import ApiClient, end, refusal, start

pytestmark = pytest.mark.usefixtures("redis_server", "agent")

STEPS = [
    {"name": "plan", "type": "generate", "input": "Plan a page."},
    {"name": "code", "type": "generate", "input": "Write HTML for {{plan}}"},
]
DEFINITION = {"name": "site", "agent": "writer", "steps": STEPS}
YAML = """\
name: site
agent: writer
steps:
  - name: plan
    type: generate
    input: Plan a page.
  - name: code
    type: generate
    input: Write HTML for {{plan}}
"""


def answer(response: Any, status: int = 200) -> Any:
    assert response.status_code == status, response.content
    return json.loads(response.content) if response.content else None


def as_yaml(client: ApiClient, method: str, path: str, text: str) -> Any:
    return client._client.generic(
        method, f"/api/orchestration/{path}", text.encode(), content_type="application/yaml", headers=client.headers
    )


def finish(name: str, node: Node, output: str, status: TaskStatus = TaskStatus.COMPLETED, **fields: Any) -> None:
    end(start(Task.objects.get(step=name), node), status, output=output, **fields)
    steps.promote(now=timezone.now())


def test_a_run_answers_with_its_steps(bob_api: ApiClient, agent: Agent, node: Node) -> None:
    begun = answer(bob_api.post("workflows", {"agent_id": "writer", "steps": STEPS}), 202)
    assert begun["success"] is None
    assert (begun["status"], begun["agent_id"], begun["error"]) == ("pending", agent.pk, None)
    finish("plan", node, "a plan")
    finish("code", node, "<html>")
    again = answer(bob_api.post("workflows", {"agent_id": agent.pk, "steps": STEPS, "name": "other"}), 202)
    assert again["name"] == "other"
    first, second = answer(bob_api.get(f"runs/{begun['id']}"))["results"]
    assert (first["output"], second["output"]) == ("a plan", "<html>")


def test_waiting_for_a_run_gives_outputs_and_metrics(bob_api: ApiClient, node: Node) -> None:
    body = {"agent_id": "writer", "steps": STEPS}
    begun = answer(bob_api.post("workflows", body, Idempotency_Key="once"), 202)
    finish("plan", node, "a plan")
    finish("code", node, "", TaskStatus.FAILED, error="out of memory")
    ended = answer(bob_api.post("workflows?wait=5", body, Idempotency_Key="once"))
    assert ended["id"] == begun["id"]
    assert (ended["status"], ended["success"]) == ("failed", False)
    assert ended["error"] == "Step code failed: out of memory"
    plan, code = ended["steps"]
    assert (plan["name"], plan["type"], plan["input"], plan["output"]) == ("plan", "generate", "Plan a page.", "a plan")
    assert (plan["success"], plan["status"], plan["model_used"]) == (True, "completed", "llama3.2:latest")
    assert plan["metrics"]["duration"] == 1.5
    assert (code["input"], code["error"]) == ("Write HTML for a plan", "out of memory")
    assert code["depends_on"] == ["plan"]


def test_what_is_wrong_is_listed_with_its_step(bob_api: ApiClient, node: Node) -> None:
    wrong = [{"name": "a", "type": "generate", "input": "{{b}} {{c}}"}, {"name": "b", "type": "generat", "input": "x"}]
    error = refusal(bob_api.post("workflows", {"steps": wrong}), 422, "unprocessable")
    assert [(each["step"], each["number"], each["field"]) for each in error["detail"]["problems"]] == [
        ("a", 0, "input")
    ]
    assert "{{c}}" in error["message"]
    error = refusal(bob_api.post("workflows", {"steps": [{"nam": "a"}]}), 400)
    assert "did you mean name" in error["message"]
    refusal(bob_api.post("workflows", {"steps": []}), 400)
    cycle = [{"name": "a", "input": "{{b}}"}, {"name": "b", "input": "{{a}}"}]
    assert "a → b → a" in refusal(bob_api.post("workflows", {"steps": cycle}), 422)["message"]


def test_a_definition_is_saved_changed_and_deleted(
    bob_api: ApiClient, dave_api: ApiClient, carol_api: ApiClient
) -> None:
    made = answer(bob_api.post("workflows/definitions?note=first", DEFINITION), 201)
    assert (made["name"], made["version"], made["owner"]) == ("site", 1, "bob")
    assert made["definition"] == DEFINITION
    changed = {**DEFINITION, "description": "A page", "inputs": {"topic": {"default": "cats"}}}
    refusal(dave_api.put("workflows/definitions/site", changed), 403)
    refusal(carol_api.post("workflows/definitions", {**DEFINITION, "name": "x"}), 403)
    assert answer(bob_api.put("workflows/definitions/site?based_on=1", changed))["version"] == 2
    refusal(bob_api.put("workflows/definitions/site?based_on=1", DEFINITION), 409)
    refusal(bob_api.post("workflows/definitions", DEFINITION), 409)
    assert [row["name"] for row in answer(carol_api.get("workflows/definitions"))["workflows"]] == ["site"]
    assert answer(carol_api.get(f"workflows/definitions/{made['id']}"))["definition"]["inputs"] == changed["inputs"]
    assert answer(bob_api.delete("workflows/definitions/site"), 204) is None
    assert "site" in refusal(bob_api.get("workflows/definitions/site"), 404)["message"]


def test_versions_are_listed_compared_and_restored(bob_api: ApiClient) -> None:
    answer(bob_api.post("workflows/definitions?note=first", DEFINITION), 201)
    answer(bob_api.put("workflows/definitions/site", {**DEFINITION, "description": "A page"}))
    listed = answer(bob_api.get("workflows/definitions/site/versions"))["versions"]
    assert [(each["version"], each["note"], each["author"]) for each in listed] == [(2, "", "bob"), (1, "first", "bob")]
    assert answer(bob_api.get("workflows/definitions/site/versions/1"))["definition"] == DEFINITION
    diff = answer(bob_api.get("workflows/definitions/site/diff?from=1&to=2"))["diff"]
    assert "+description: A page" in diff.splitlines()
    assert answer(bob_api.post("workflows/definitions/site/versions/1/restore"))["version"] == 3
    assert answer(bob_api.get("workflows/definitions/site/diff?from=1&to=3"))["diff"] == ""
    refusal(bob_api.get("workflows/definitions/site/versions/9"), 404)
    refusal(bob_api.get("workflows/definitions/site/diff?from=1&to=9"), 404)


def test_yaml_is_taken_and_given(bob_api: ApiClient) -> None:
    made = answer(as_yaml(bob_api, "POST", "workflows/definitions", YAML), 201)
    assert made["definition"] == DEFINITION
    given = bob_api.get("workflows/definitions/site?format=yaml")
    assert given["Content-Type"].startswith("application/yaml")
    assert given.content.decode() == YAML
    assert bob_api.get("workflows/definitions/site/versions/1?format=yaml").content.decode() == YAML
    assert answer(as_yaml(bob_api, "PUT", "workflows/definitions/site", YAML))["version"] == 1


def test_problems_of_yaml_have_their_line(bob_api: ApiClient) -> None:
    error = refusal(as_yaml(bob_api, "POST", "workflows/definitions", YAML.replace("{{plan}}", "{{plam}}")), 422)
    assert [each["line"] for each in error["detail"]["problems"]] == [9]
    error = refusal(as_yaml(bob_api, "POST", "workflows/definitions", "name: [x\nsteps: 1"), 400)
    assert error["detail"]["line"] == 2
    refusal(as_yaml(bob_api, "POST", "workflows/definitions", "a: &a [*a]"), 400)
    refusal(as_yaml(bob_api, "POST", "workflows/definitions", "# nothing"), 422)


def test_a_saved_workflow_is_run_with_inputs(bob_api: ApiClient, node: Node) -> None:
    steps_ = [{"name": "plan", "input": "Plan {{input.topic}}"}]
    wanted = {**DEFINITION, "steps": steps_, "inputs": {"topic": {"required": True}}}
    answer(bob_api.post("workflows/definitions", wanted), 201)
    assert refusal(bob_api.post("workflows/definitions/site/run"), 422)["detail"]["missing"] == ["topic"]
    begun = answer(bob_api.post("workflows/definitions/site/run", {"inputs": {"topic": "cats"}, "version": 1}), 202)
    assert (begun["version"], begun["inputs"], begun["steps"][0]["input"]) == (1, {"topic": "cats"}, "Plan cats")
    refusal(bob_api.post("workflows/definitions/site/run", {"version": 7, "inputs": {"topic": "x"}}), 404)
    refusal(bob_api.post("workflows/definitions/nope/run", {}), 404)


def test_somebody_without_a_key_gets_nothing(anybody: ApiClient) -> None:
    for path in ("workflows/definitions", "workflows/definitions/1", "workflows/definitions/1/versions"):
        refusal(anybody.get(path), 401)
    refusal(anybody.post("workflows", {"steps": STEPS}), 401)
