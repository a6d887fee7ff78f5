"""The description is true: every described call exists, and what it answers is what is described."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import AsyncClient, Client
from django.urls import resolve

from orchestration.api import api
from orchestration.models import Node, Run, Task
from orchestration.policy.states import TaskStatus

from .conftest import ROOT, ApiClient, end, start

Schema = dict[str, Any]


@pytest.fixture(scope="module")
def description() -> Schema:
    answer: Schema = json.loads(json.dumps(api.get_openapi_schema(path_prefix=ROOT)))
    return answer


def deviations(value: Any, part: Schema, whole: Schema, path: str = "$") -> Iterator[str]:
    """Where the value is not what this part of the description allows. As much of JSON schema as ours uses."""
    if "$ref" in part:
        yield from deviations(value, whole["components"]["schemas"][part["$ref"].rsplit("/", 1)[-1]], whole, path)
        return
    if "anyOf" in part:
        tried = [list(deviations(value, option, whole, path)) for option in part["anyOf"]]
        if all(tried):
            yield f"{path} fits none of {len(tried)} options: {min(tried, key=len)}"
        return
    if "const" in part and value != part["const"]:
        yield f"{path} is {value!r}, not {part['const']!r}"
    if "enum" in part and value not in part["enum"]:
        yield f"{path} is {value!r}"
    yield from of_kind(value, part, whole, path)


KINDS: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "null": lambda value: value is None,
}


def of_kind(value: Any, part: Schema, whole: Schema, path: str) -> Iterator[str]:
    kind = part.get("type")
    if kind and not KINDS[kind](value):
        yield f"{path} is {value!r}, not {kind}"
    elif kind == "object" and "properties" in part:
        yield from (f"{path} lacks {name}" for name in part.get("required", ()) if name not in value)
        for name, item in value.items():
            if name not in part["properties"]:
                yield f"{path} has {name}, which is not described"
            else:
                yield from deviations(item, part["properties"][name], whole, f"{path}.{name}")
    elif kind == "object" and isinstance(part.get("additionalProperties"), dict):
        for name, item in value.items():
            yield from deviations(item, part["additionalProperties"], whole, f"{path}.{name}")
    elif kind == "array":
        for number, item in enumerate(value):
            yield from deviations(item, part.get("items", {}), whole, f"{path}[{number}]")


def described(whole: Schema, method: str, path: str, status: int) -> Schema:
    """What the description says about this answer; a failure when it says nothing."""
    path = path.partition("?")[0]
    exact = [name for name in whole["paths"] if name == f"{ROOT}{path}"]
    template = next(name for name in [*exact, *whole["paths"]] if fits(name.removeprefix(ROOT), path))
    answers = whole["paths"][template][method.lower()]["responses"]
    assert str(status) in answers, f"{method} {path} answers {status}, which is not described"
    content: Schema = answers[str(status)].get("content", {})
    return next((kind["schema"] for kind in content.values()), {})


def fits(template: str, path: str) -> bool:
    wanted, given = template.split("/"), path.split("/")
    return len(wanted) == len(given) and all(
        name == word or name.startswith("{") for name, word in zip(wanted, given, strict=True)
    )


class Witness:
    """Makes calls and compares each answer with its description."""

    def __init__(self, client: ApiClient, whole: Schema) -> None:
        self._client = client
        self._whole = whole

    def __call__(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        response = self._client.request(method, path, body)
        assert response.status_code == status, response.content
        schema = described(self._whole, method, path, status)
        answer = json.loads(response.content) if response.content else None
        assert list(deviations(answer, schema, self._whole)) == []
        return answer


@pytest.fixture
def witness(alice_api: ApiClient, description: Schema) -> Witness:
    return Witness(alice_api, description)


def test_every_described_call_exists(description: Schema) -> None:
    for path in description["paths"]:
        real = re.sub(r"\{\w+_id\}|\{number\}", "1", path)
        real = real.replace("{kind}", "model").replace("{key}", "team/coder:7b")
        match = resolve(real.replace("{agent}", "writer").replace("{node}", "gpu-a"), urlconf="tests.api.urls")
        assert match.func.__name__ != "no_such_route", path


def test_every_call_has_a_name_of_its_own_a_summary_and_its_errors(description: Schema) -> None:
    calls = [call for methods in description["paths"].values() for call in methods.values()]
    assert len({call["operationId"] for call in calls}) == len(calls)
    for call in calls:
        assert call["summary"]
        assert call["security"] == [{"ApiKeyAuth": []}, {"SessionAuth": []}]
        errors = {status: answer for status, answer in call["responses"].items() if int(status) >= 400}
        assert {"400", "401", "403", "500"} <= set(errors)
        for answer in errors.values():
            assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/ErrorAnswer"}


def test_every_reference_leads_somewhere(description: Schema) -> None:
    text = json.dumps(description)
    for piece in text.split('"$ref": "#/components/schemas/')[1:]:
        assert piece.partition('"')[0] in description["components"]["schemas"]


def test_bodies_refuse_fields_that_are_not_described(description: Schema) -> None:
    schemas = description["components"]["schemas"]
    for name in (
        "SubmitBody",
        "TaskIn",
        "MessageIn",
        "AgentNew",
        "NodeNew",
        "ModelConfigNew",
        "TaskChanges",
        "PauseNew",
    ):
        assert schemas[name]["additionalProperties"] is False


def test_agents_answer_as_described(witness: Witness, node: Node) -> None:
    body = {"name": "coder", "models": ["llama9"], "config": {"routing_preferences": {"code": "llama9"}}}
    witness("POST", "agents", body, status=201)
    witness("POST", "agents", body, status=409)
    witness("GET", "agents")
    witness("GET", "agents/coder")
    witness("PUT", "agents/coder", {"description": "Writes code."})
    witness("PUT", "agents/coder", {"kind": "x"}, status=400)
    witness("DELETE", "agents/coder", status=204)
    witness("GET", "agents/coder", status=404)


def test_tasks_answer_as_described(witness: Witness, submit: Callable[..., Run], node: Node, finished: Task) -> None:
    failed, waits = submit("fails", "waits", tags=["x"], metadata={"page": 1}).tasks.order_by("position")
    end(start(failed, node), TaskStatus.FAILED, error="no luck", error_code="unreachable")
    witness("GET", "tasks")
    witness("GET", "tasks?status=nonsense", status=400)
    for task in (finished, failed, waits):
        witness("GET", f"tasks/{task.pk}")
        witness("GET", f"runs/{task.run_id}")
    witness("PATCH", f"tasks/{waits.pk}", {"priority": 0})
    witness("POST", f"tasks/{waits.pk}/cancel")
    witness("POST", f"tasks/{waits.pk}/cancel", status=409)
    witness("POST", f"tasks/{failed.pk}/retry")
    witness("DELETE", f"tasks/{finished.pk}", status=204)
    witness("GET", "tasks/999", status=404)


def test_submitting_answers_as_described(witness: Witness, submit: Callable[..., Run], settings: Any) -> None:
    submit("first")
    task = {"type": "chat", "messages": [{"role": "user", "content": "hi"}]}
    witness("POST", "tasks", {"agent_id": "writer", "tasks": [task]}, status=202)
    witness("POST", "tasks", {"tasks": []}, status=400)
    witness("POST", "tasks", {"agent_id": "nobody", "tasks": [task]}, status=404)
    witness("POST", "tasks", {"agent_id": "writer", "tasks": [{**task, "model_name": "llama9"}]}, status=422)
    settings.DROVER_MAX_WAITING = 0
    witness("POST", "tasks", {"agent_id": "writer", "tasks": [task]}, status=429)


def test_embeddings_and_tool_calls_answer_as_described(witness: Witness, finished: Task) -> None:
    calls = [{"function": {"name": "clock", "arguments": {}}}]
    Task.objects.filter(pk=finished.pk).update(type="embed", vectors=[[0.5, 0.25]], tool_calls=calls)
    assert witness("GET", f"tasks/{finished.pk}")["output"] == [[0.5, 0.25]]
    witness("GET", f"runs/{finished.run_id}")


def test_runs_answer_as_described(witness: Witness, submit: Callable[..., Run]) -> None:
    run = submit("one", "two")
    witness("GET", "runs")
    witness("POST", f"runs/{run.pk}/cancel")
    witness("GET", "runs/999", status=404)


def test_nodes_and_models_answer_as_described(witness: Witness, make_node: Callable[..., Node]) -> None:
    make_node("gpu-a", models=("llama3.2:latest", "codellama:7b"), loaded=("codellama:7b",))
    witness("POST", "nodes", {"name": "gpu-b", "base_url": "http://gpu-b.test"}, status=201)
    witness("POST", "nodes", {"name": "gpu-c", "base_url": "file:///etc/passwd"}, status=400)
    witness("GET", "nodes")
    witness("GET", "nodes/gpu-a")
    witness("PUT", "nodes/gpu-a", {"labels": ["fast"]})
    witness("POST", "nodes/gpu-a/drain")
    witness("POST", "nodes/gpu-a/resume")
    witness("DELETE", "nodes/gpu-b", status=204)
    witness("GET", "models")


def test_pauses_answer_as_described(witness: Witness) -> None:
    witness("POST", "pauses", {"kind": "model", "key": "llama3.2", "note": "bad answers"}, status=201)
    witness("POST", "pauses", {"kind": "model", "key": "llama3.2"})
    witness("POST", "pauses", {"kind": "priority", "key": "7"}, status=400)
    witness("POST", "pauses", {"kind": "agent", "key": "nobody"}, status=404)
    witness("GET", "pauses")
    witness("DELETE", "pauses/model/llama3.2", status=204)
    witness("DELETE", "pauses/agent/nobody", status=404)


def test_bulk_answers_as_described(witness: Witness, submit: Callable[..., Run]) -> None:
    submit("one", "two")
    witness("POST", "tasks/priority?agent=writer", {"priority": 0})
    witness("POST", "tasks/cancel", {}, status=409)
    witness("POST", "tasks/cancel?state=pending", {"expected": 2})
    witness("POST", "tasks/cancel?stat=pending", {}, status=400)


def test_a_test_of_a_node_answers_as_described(witness: Witness, make_node: Callable[..., Node]) -> None:
    make_node("off", base_url="http://127.0.0.1:9")
    witness("POST", "nodes/off/test")


def test_model_configurations_answer_as_described(witness: Witness) -> None:
    made = witness("POST", "model-configs", {"model_name": "llama3.2"}, status=201)
    witness("GET", "model-configs")
    witness("GET", f"model-configs/{made['id']}")
    witness("PUT", f"model-configs/{made['id']}", {"timeout_seconds": 5})
    witness("DELETE", f"model-configs/{made['id']}", status=204)


def test_status_answers_as_described(witness: Witness, submit: Callable[..., Run], node: Node) -> None:
    end(start(submit("fails").tasks.get(), node), TaskStatus.FAILED, error="no luck", error_code="unreachable")
    for path in ("metrics", "errors", "workers"):
        witness("GET", path)


@pytest.mark.django_db(transaction=True)
async def test_the_lines_of_a_stream_are_as_described(
    alice_api: ApiClient, finished: Task, description: Schema
) -> None:
    path = f"tasks/{finished.pk}/stream"
    response = await AsyncClient().get(f"{ROOT}{path}", headers=alice_api.headers)
    lines = [json.loads(line) async for line in aiter(response.streaming_content)]
    schema = described(description, "GET", path, 200)
    assert len(lines) == 2
    for line in lines:
        assert list(deviations(line, schema, description)) == []


def test_the_description_is_served_without_a_login(client: Client, db: None, description: Schema) -> None:
    assert client.get("/api/openapi.json").json() == description
