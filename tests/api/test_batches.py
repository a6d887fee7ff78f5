"""Batches over REST: JSON or a file, looked at, tried on five rows, submitted."""

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client

from orchestration.models import Run, Task
from orchestration.policy.states import TaskStatus

from .conftest import ROOT, ApiClient, refusal

pytestmark = pytest.mark.usefixtures("redis_server", "node", "agent")

CSV = "id,text\na,One\nb,Two\nc,Three\nd,Four\n"
BODY: dict[str, Any] = {"agent_id": "writer", "text": CSV, "template": "Say {{text}}"}


def answer(response: HttpResponse, status: int = 202) -> Any:
    found = json.loads(response.content)
    assert response.status_code == status, found
    return found


def post_file(api: ApiClient, path: str, data: bytes, name: str = "rows.csv", **fields: Any) -> HttpResponse:
    return Client().post(f"{ROOT}{path}", {"file": SimpleUploadedFile(name, data), **fields}, headers=api.headers)


def test_a_text_is_submitted_row_by_row(bob_api: ApiClient) -> None:
    found = answer(bob_api.post("batches", {**BODY, "columns": {"client_ref": "id"}, "max_parallel": 2}))
    assert (found["rows"], found["counts"]["pending"], found["held"], found["max_parallel"]) == (4, 4, 2, 2)
    rows = Task.objects.filter(run=found["id"]).order_by("position")
    assert [(row.input, row.client_ref) for row in rows][:2] == [("Say One", "a"), ("Say Two", "b")]


def test_rows_may_come_as_json(bob_api: ApiClient) -> None:
    rows = [{"q": "Why?"}, {"q": "How?"}]
    found = answer(bob_api.post("batches", {"agent_id": "writer", "rows": rows, "columns": {"prompt": "q"}}))
    assert list(Task.objects.filter(run=found["id"]).values_list("input", flat=True).order_by("pk")) == ["Why?", "How?"]


def test_a_file_is_read_by_its_name_and_named_after_it(bob_api: ApiClient) -> None:
    options = json.dumps({"agent_id": "writer", "columns": {"prompt": "q"}})
    lines = b'{"q": "Why?"}\n{"q": "How?"}\n'
    found = answer(post_file(bob_api, "batches", lines, "questions.jsonl", batch=options))
    assert (found["title"], found["rows"]) == ("questions.jsonl", 2)


def test_options_may_be_a_part_of_the_form_with_a_type_of_its_own(bob_api: ApiClient) -> None:
    options = SimpleUploadedFile("o.json", b'{"agent_id": "writer", "template": "{{text}}"}', "application/json")
    assert answer(post_file(bob_api, "batches", CSV.encode(), batch=options))["rows"] == 4


def test_a_preview_writes_nothing(bob_api: ApiClient) -> None:
    found = answer(bob_api.post("batches/preview", BODY), 200)
    assert [row["prompt"] for row in found["samples"]] == ["Say One", "Say Two", "Say Three"]
    assert (found["rows"], found["done"], found["template"]) == (4, {"rows": 0, "runs": []}, "Say {{text}}")
    assert Run.objects.count() == 0


def test_a_dry_run_is_flagged(bob_api: ApiClient) -> None:
    found = answer(bob_api.post("batches", {**BODY, "text": "x\n" * 9, "template": "", "dry_run": True}))
    assert (found["rows"], found["dry_run"]) == (5, True)


def test_rows_that_are_done_are_skipped_on_request(bob_api: ApiClient) -> None:
    first = answer(bob_api.post("batches", BODY))["id"]
    task = Task.objects.filter(run=first).order_by("position")[0]
    for status in (TaskStatus.ASSIGNED, TaskStatus.RUNNING, TaskStatus.COMPLETED):
        Task.objects.transition(task.pk, status)
    assert answer(bob_api.post("batches/preview", BODY), 200)["done"] == {"rows": 1, "runs": [first]}
    found = answer(bob_api.post("batches", {**BODY, "skip_done": True}))
    assert (found["rows"], found["skipped"]) == (3, 1)


def test_the_same_key_answers_with_the_same_batch(bob_api: ApiClient) -> None:
    first = answer(bob_api.post("batches", BODY, Idempotency_Key="k"))
    assert answer(bob_api.post("batches", BODY, Idempotency_Key="k"))["id"] == first["id"]
    refusal(bob_api.post("batches", {**BODY, "template": "{{text}}"}, Idempotency_Key="k"), 409, "conflict")
    rows = [{"id": "a", "text": "One"}, {"id": "b", "text": "Two"}]
    for _ in range(2):
        sent = bob_api.post(
            "batches", {"agent_id": "writer", "rows": rows, "columns": {"prompt": "id"}}, Idempotency_Key="r"
        )
        assert answer(sent)["rows"] == 2
    assert Run.objects.count() == 2


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "Send either rows or text."),
        ({"rows": ["a"], "text": "b"}, "Send either rows or text."),
        ({"rows": None, "text": None}, "Send either rows or text."),
        ({"rows": None, "text": {}}, "text: must be a text"),
        ({"text": "a,b\n1,2\n1,2,3\n", "format": "csv"}, "Line 3 has 3 values"),
        ({"rows": [{"a": "x"}], "template": "{{b}}"}, "There is no column for {{b}}"),
        ({"rows": [7]}, "rows: must be a list of texts or of objects"),
        ({"text": "x", "format": "xml"}, "format: "),
        ({"text": "x", "colums": {}}, "did you mean columns?"),
        ({"text": "x", "type": "dance"}, "There is no task type 'dance'"),
        ({"text": "x", "keep_alive": "often"}, '"often" is not a duration'),
        ({"text": "x", "parameters": {"temprature": 1}}, "temprature"),
        ({"text": "x", "priority": 9}, "priority is 0"),
    ],
)
def test_what_is_wrong_is_said(bob_api: ApiClient, body: dict[str, Any], words: str) -> None:
    found = refusal(bob_api.post("batches", {"agent_id": "writer", **body}), 400, "invalid_input")
    assert words in found["message"]


def test_a_form_without_a_file_or_with_broken_options_is_refused(bob_api: ApiClient) -> None:
    empty = Client().post(f"{ROOT}batches", {"batch": "{}"}, headers=bob_api.headers)
    assert "no file" in refusal(empty, 400)["message"]
    assert "not valid JSON" in refusal(post_file(bob_api, "batches", b"x", batch="{"), 400)["message"]
    assert "must be an object" in refusal(post_file(bob_api, "batches", b"x", batch="[]"), 400)["message"]
    assert "Line 2 is not UTF-8" in refusal(post_file(bob_api, "batches", b"a\n\xff"), 400)["message"]


def test_a_file_that_is_too_large_is_refused(bob_api: ApiClient, settings: Any) -> None:
    settings.DROVER_MAX_BODY_BYTES = 1024
    refusal(post_file(bob_api, "batches", b"x\n" * 1000), 413, "payload_too_large")


@pytest.mark.parametrize("path", ["batches", "batches/preview"])
def test_who_may(carol_api: ApiClient, dave_api: ApiClient, anybody: ApiClient, path: str) -> None:
    refusal(carol_api.post(path, BODY), 403, "not_allowed")
    refusal(anybody.post(path, BODY), 401, "not_authenticated")
    assert dave_api.post(path, BODY).status_code in (200, 202)


def test_batches_are_listed_and_looked_at_by_everybody(bob_api: ApiClient, carol_api: ApiClient) -> None:
    ids = [answer(bob_api.post("batches", BODY))["id"] for _ in range(3)]
    first = answer(carol_api.get("batches?limit=2"), 200)
    assert [row["id"] for row in first["batches"]] == ids[:0:-1]
    second = answer(carol_api.get(f"batches?limit=2&cursor={first['next_cursor']}"), 200)
    assert ([row["id"] for row in second["batches"]], second["next_cursor"]) == ([ids[0]], None)
    assert answer(carol_api.get(f"batches/{ids[0]}"), 200)["rows"] == 4
    refusal(carol_api.get("batches/999999"), 404, "not_found")
