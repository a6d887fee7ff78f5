"""Downloads of what a run has brought so far."""

import csv
import io
import json
import math
from array import array
from collections.abc import Callable
from typing import Any

import pytest
from django.test import AsyncClient

from orchestration.models import Node, Run, Task
from orchestration.policy.states import TaskStatus
from orchestration.queries import exports

from .conftest import ROOT, ApiClient, end, start

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]


async def download(client: ApiClient, path: str) -> tuple[Any, bytes]:
    response = await AsyncClient().get(f"{ROOT}{path}", headers=client.headers)
    if not response.streaming:
        return response, response.content
    return response, b"".join([chunk async for chunk in response.streaming_content])


@pytest.fixture
def run(submit: Callable[..., Run], node: Node, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Five rows on three pages; two have ended."""
    monkeypatch.setattr(exports, "TASKS_AT_ONCE", 2)
    made = submit("=1+1", "two", "three", "four", "five", metadata={"key": "k"})
    tasks = list(made.tasks.order_by("position"))
    end(start(tasks[0], node), output='@SUM(A1)\nsays "hi"', output_tokens=7)
    end(start(tasks[1], node), TaskStatus.FAILED, error="-broken", error_code="refused")
    return made


async def test_jsonl_has_a_row_a_line_as_the_database_has_it(carol_api: ApiClient, run: Run) -> None:
    response, content = await download(carol_api, f"runs/{run.pk}/export")
    rows = [json.loads(line) for line in content.decode().splitlines()]
    assert response["Content-Type"] == "application/x-ndjson"
    assert response["Content-Disposition"] == f'attachment; filename="run-{run.pk}.jsonl"'
    assert [row["status"] for row in rows] == ["completed", "failed", *["pending"] * 3]
    stored = [(task.pk, task.input, task.output) async for task in Task.objects.filter(run=run).order_by("position")]
    assert [(row["task_id"], row["input"], row["output"]) for row in rows] == stored
    assert rows[0]["metadata"] == {"key": "k"}


async def test_csv_holds_nothing_that_a_spreadsheet_would_run(carol_api: ApiClient, run: Run) -> None:
    response, content = await download(carol_api, f"runs/{run.pk}/export?format=csv")
    rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert (rows[0]["input"], rows[0]["output"]) == ("'=1+1", '\'@SUM(A1)\nsays "hi"')
    assert rows[1]["error"] == "'-broken"
    assert (rows[0]["output_tokens"], rows[0]["metadata"]) == ("7", '{"key":"k"}')
    assert len(rows) == 5


@pytest.fixture
def vectors(
    make_node: Callable[..., Node], make_agent: Callable[..., Any], submit: Callable[..., Run], redis_server: Any
) -> Run:
    """Three texts, the second of which has been embedded."""
    node = make_node("gpu-e", models=("nomic-embed-text:latest",))
    agent = make_agent("embedder", models=["nomic-embed-text:latest"])
    made = submit("one", "two", "three", agent=agent, type="embed")
    end(start(made.tasks.get(position=1), node), vectors=[[0.5, -1.5]])
    return made


async def test_npy_has_a_line_for_each_text_and_no_number_where_there_is_no_vector(
    carol_api: ApiClient, vectors: Run
) -> None:
    _, content = await download(carol_api, f"runs/{vectors.pk}/export?format=npy")
    assert content[:8] == b"\x93NUMPY\x01\x00"
    length = int.from_bytes(content[8:10], "little")
    header = content[10 : 10 + length].decode()
    assert "'descr': '<f4'" in header
    assert "'shape': (3, 2)" in header
    assert (10 + length) % 64 == 0
    values = array("f", content[10 + length :])
    assert list(values[2:4]) == [0.5, -1.5]
    assert all(math.isnan(value) for value in [*values[:2], *values[4:]])


async def test_what_has_no_vectors_is_no_array(carol_api: ApiClient, run: Run) -> None:
    response, content = await download(carol_api, f"runs/{run.pk}/export?format=npy")
    assert response.status_code == 422
    assert json.loads(content)["error"]["code"] == "unprocessable"


@pytest.mark.parametrize(("path", "status"), [("runs/999999/export", 404), ("runs/{}/export?format=xml", 400)])
async def test_what_is_not_there_is_refused(carol_api: ApiClient, run: Run, path: str, status: int) -> None:
    response, _ = await download(carol_api, path.format(run.pk))
    assert response.status_code == status


async def test_nobody_downloads_without_a_key(anybody: ApiClient, run: Run) -> None:
    response, _ = await download(anybody, f"runs/{run.pk}/export")
    assert response.status_code == 401
