"""Benchmarks over REST."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from orchestration.api import api
from orchestration.models import Node, Run
from tests.services.measuring import finish

from .conftest import ROOT, ApiClient, refusal
from .test_openapi import described, deviations

pytestmark = pytest.mark.usefixtures("redis_server")

BODY = {"models": ["llama3.2"], "concurrency": [1, 2, 8], "repeats": 2, "rounds": 1}


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(json.dumps(api.get_openapi_schema(path_prefix=ROOT)))
    return answer


@pytest.fixture
def started(bob_api: ApiClient, node: Node) -> Run:
    answer = bob_api.post("benchmarks", BODY)
    assert answer.status_code == 202, answer.content
    return Run.objects.get(pk=answer.json()["id"])


def test_it_answers_at_once_with_what_will_be_measured_and_what_will_not(started: Run, bob_api: ApiClient) -> None:
    answer = bob_api.get(f"benchmarks/{started.pk}").json()
    assert answer["status"] == "pending"
    assert answer["places"][0]["levels"] == [1, 2]
    assert answer["spec"]["left_out"] == ["8 at once with llama3.2:latest on gpu-a: gpu-a has 4 slots a model."]
    assert (answer["report"]["complete"], answer["report"]["cells"]) == (False, [])


def test_the_report_comes_with_the_end_and_is_stored(started: Run, carol_api: ApiClient) -> None:
    finish(started)
    assert carol_api.get("benchmarks").json()["benchmarks"][0]["best_rate"] > 0
    answer = carol_api.get(f"benchmarks/{started.pk}").json()
    assert answer["status"] == "completed"
    assert [cell["concurrency"] for cell in answer["report"]["cells"]] == [1, 2]
    assert answer["report"]["cells"][0]["decode_rate"]["median"] == pytest.approx(45)
    started.refresh_from_db()
    assert started.report == answer["report"]


def test_answers_are_as_described(started: Run, bob_api: ApiClient, whole: dict[str, Any]) -> None:
    finish(started)
    paths = [
        "benchmarks",
        "benchmarks/prompt-sets",
        f"benchmarks/{started.pk}",
        f"benchmarks/{started.pk}/export?format=json",
    ]
    for path in paths:
        answer = bob_api.get(path)
        assert list(deviations(answer.json(), described(whole, "GET", path, 200), whole)) == [], path
    again = bob_api.post(f"benchmarks/{started.pk}/again")
    assert again.json()["rerun_of"] == started.pk
    shape = described(whole, "POST", f"benchmarks/{started.pk}/again", 202)
    assert list(deviations(again.json(), shape, whole)) == []


def test_a_file_in_each_format(started: Run, carol_api: ApiClient) -> None:
    finish(started)
    markdown = carol_api.get(f"benchmarks/{started.pk}/export")
    assert markdown["Content-Type"].startswith("text/markdown")
    assert f'filename="benchmark-{started.pk}.md"' in markdown["Content-Disposition"]
    assert "| llama3.2:latest | gpu-a | 128 tokens | 1 | 0.500 s |" in markdown.content.decode()
    sheet = carol_api.get(f"benchmarks/{started.pk}/export?format=csv").content.decode()
    first, second = csv.DictReader(io.StringIO(sheet))
    assert (first["concurrency"], second["concurrency"]) == ("1", "2")
    assert float(first["decode_rate_median"]) == pytest.approx(45)
    refusal(carol_api.get(f"benchmarks/{started.pk}/export?format=pdf"), 400, "invalid_input")


def test_the_same_key_answers_with_the_same_benchmark(bob_api: ApiClient, node: Node) -> None:
    first = bob_api.post("benchmarks", BODY, Idempotency_Key="k").json()
    assert bob_api.post("benchmarks", BODY, Idempotency_Key="k").json()["id"] == first["id"]
    refusal(bob_api.post("benchmarks", {**BODY, "seed": 2}, Idempotency_Key="k"), 409, "conflict")


def test_a_second_one_on_the_same_node_has_to_wait(started: Run, dave_api: ApiClient) -> None:
    refusal(dave_api.post("benchmarks", BODY), 409, "conflict")


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"models": []}, 400, "invalid_input"),
        ({"models": ["codellama"]}, 422, "model_unavailable"),
        ({"nodes": ["gpu-z"]}, 404, "not_found"),
        ({"concurrency": [16]}, 422, "unprocessable"),
        ({"concurrency": [0]}, 400, "invalid_input"),
        ({"prompt_set": "x"}, 400, "invalid_input"),
        ({"colour": "red"}, 400, "invalid_input"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    bob_api: ApiClient, node: Node, fields: dict[str, Any], status: int, code: str
) -> None:
    refusal(bob_api.post("benchmarks", {**BODY, **fields}), status, code)


def test_roles(started: Run, carol_api: ApiClient, anybody: ApiClient) -> None:
    refusal(carol_api.post("benchmarks", BODY), 403, "not_allowed")
    refusal(carol_api.post(f"benchmarks/{started.pk}/again"), 403, "not_allowed")
    assert carol_api.get(f"benchmarks/{started.pk}").status_code == 200
    refusal(anybody.get("benchmarks"), 401, "not_authenticated")


def test_a_run_of_another_kind_is_no_benchmark(bob_api: ApiClient, submit: Callable[..., Run]) -> None:
    for path in ("", "/export"):
        refusal(bob_api.get(f"benchmarks/{submit('one').pk}{path}"), 404, "not_found")
