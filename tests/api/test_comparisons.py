"""Comparisons over REST."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from orchestration.api import api
from orchestration.models import Agent, Node, Run
from tests.services.measuring import finish

from .conftest import ROOT, ApiClient, refusal
from .test_openapi import described, deviations

pytestmark = pytest.mark.usefixtures("redis_server")

LLAMA, QWEN = "llama3.2:latest", "qwen3:8b"
BODY = {"prompts": ["Why?", "How?"], "columns": [{"model": "llama3.2"}, {"model": QWEN, "node": "gpu-a"}]}


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(json.dumps(api.get_openapi_schema(path_prefix=ROOT)))
    return answer


@pytest.fixture(autouse=True)
def fleet(make_node: Callable[..., Node], make_agent: Callable[..., Agent]) -> None:
    make_node("gpu-a", models=(LLAMA, QWEN))
    make_agent("default", models=[])


@pytest.fixture
def started(bob_api: ApiClient) -> Run:
    answer = bob_api.post("comparisons", BODY)
    assert answer.status_code == 202, answer.content
    return Run.objects.get(pk=answer.json()["id"])


def test_every_prompt_goes_to_every_column(started: Run, carol_api: ApiClient) -> None:
    finish(started)
    answer = carol_api.get(f"comparisons/{started.pk}").json()
    assert [row["prompt"] for row in answer["rows"]] == ["Why?", "How?"]
    assert [[cell["model"] for cell in row["answers"]] for row in answer["rows"]] == [[LLAMA, QWEN]] * 2
    cell = answer["rows"][0]["answers"][0]
    assert (cell["output"], cell["node"], cell["votes"]) == (f"By {LLAMA}.", "gpu-a", None)
    assert cell["figures"]["decode_rate"] == pytest.approx(45)
    assert cell["figures"]["first_token_seconds"] == pytest.approx(0.5, abs=0.01)
    assert answer["rows"][0]["different"] is True


def test_a_blind_viewer_gets_no_name_before_the_vote(started: Run, bob_api: ApiClient) -> None:
    finish(started)
    rows = bob_api.get(f"comparisons/{started.pk}?blind=true").json()["rows"]
    for cell in (cell for row in rows for cell in row["answers"]):
        assert [cell[name] for name in ("column", "model", "node", "figures", "votes")] == [None] * 5
    chosen = rows[0]["answers"][1]["task_id"]
    body = {"row": 0, "task_id": chosen, "blind": True}
    after = bob_api.post(f"comparisons/{started.pk}/votes", body).json()
    assert [cell["task_id"] for cell in after["rows"][0]["answers"]] == [cell["task_id"] for cell in rows[0]["answers"]]
    assert (after["rows"][0]["my_vote"], after["rows"][0]["hidden"], after["rows"][1]["hidden"]) == (
        chosen,
        False,
        True,
    )
    assert sum(cell["votes"] for cell in after["rows"][0]["answers"]) == 1


def test_counts_are_shown_to_those_who_voted(
    started: Run, bob_api: ApiClient, dave_api: ApiClient, carol_api: ApiClient
) -> None:
    finish(started)
    first = started.tasks.get(position=0)
    for voter in (bob_api, dave_api):
        voter.post(f"comparisons/{started.pk}/votes", {"row": 0, "task_id": first.pk})
    assert bob_api.get(f"comparisons/{started.pk}").json()["wins"] == [2, 0]
    assert carol_api.get(f"comparisons/{started.pk}").json()["wins"] == [0, 0]


def test_answers_are_as_described(started: Run, bob_api: ApiClient, whole: dict[str, Any]) -> None:
    finish(started)
    ids = ",".join(str(task.pk) for task in started.tasks.all())
    paths = [
        "comparisons",
        f"comparisons/{started.pk}",
        f"comparisons/{started.pk}?blind=true",
        f"comparisons/{started.pk}/export?format=json",
        f"comparisons/of-tasks?ids={ids}",
    ]
    for path in paths:
        assert list(deviations(bob_api.get(path).json(), described(whole, "GET", path, 200), whole)) == [], path


def test_tasks_of_any_runs_are_put_side_by_side(bob_api: ApiClient, started: Run) -> None:
    first, second = started.tasks.order_by("position")[:2]
    answer = bob_api.get(f"comparisons/of-tasks?ids={first.pk},{second.pk}").json()
    assert (answer["id"], answer["rows"][0]["prompt"], answer["status"]) == (None, "Why?", "pending")
    refusal(bob_api.get(f"comparisons/of-tasks?ids={first.pk}"), 400, "invalid_input")
    refusal(bob_api.get("comparisons/of-tasks?ids=1,x"), 400, "invalid_input")
    refusal(bob_api.get(f"comparisons/of-tasks?ids={first.pk},999"), 404, "not_found")


def test_a_file_in_each_format_keeps_what_is_hidden_hidden(started: Run, carol_api: ApiClient) -> None:
    finish(started)
    path = f"comparisons/{started.pk}/export"
    markdown = carol_api.get(path).content.decode()
    assert f"### {LLAMA} @ gpu-a\n\n> By {LLAMA}." in markdown
    rows = list(csv.DictReader(io.StringIO(carol_api.get(f"{path}?format=csv").content.decode())))
    assert [(row["row"], row["model"]) for row in rows] == [("0", LLAMA), ("0", QWEN), ("1", LLAMA), ("1", QWEN)]
    hidden = carol_api.get(f"{path}?blind=true").content.decode()
    assert "### Answer A" in hidden
    assert f"### {LLAMA}" not in hidden


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({**BODY, "prompts": []}, 400, "invalid_input"),
        ({**BODY, "columns": [{"model": LLAMA}]}, 400, "invalid_input"),
        ({**BODY, "columns": [{"model": LLAMA}, {"model": "codellama"}]}, 422, "model_unavailable"),
        ({**BODY, "columns": [{"model": LLAMA}, {"model": QWEN, "node": "gpu-z"}]}, 404, "not_found"),
        ({**BODY, "agent_id": "nobody"}, 404, "not_found"),
        ({**BODY, "parameters": {"num_gpu": 1}}, 400, "invalid_input"),
    ],
)
def test_what_cannot_be_compared_is_refused(bob_api: ApiClient, body: dict[str, Any], status: int, code: str) -> None:
    refusal(bob_api.post("comparisons", body), status, code)


def test_roles(started: Run, carol_api: ApiClient, anybody: ApiClient) -> None:
    finish(started)
    refusal(carol_api.post("comparisons", BODY), 403, "not_allowed")
    vote = {"row": 0, "task_id": started.tasks.get(position=0).pk}
    refusal(carol_api.post(f"comparisons/{started.pk}/votes", vote), 403, "not_allowed")
    refusal(anybody.get(f"comparisons/{started.pk}"), 401, "not_authenticated")
    refusal(carol_api.get("comparisons/999"), 404, "not_found")
