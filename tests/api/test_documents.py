"""Documents over REST."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from orchestration.models import Document, Task
from tests.api.conftest import ROOT, refusal
from tests.services.pdfs import pdf

NOTES = {"name": "notes.md", "text": "# Sea\n\nSalt."}


def test_a_text_is_uploaded_listed_read_and_deleted(bob_api):
    made = bob_api.post("documents", NOTES)
    assert made.status_code == 201
    document = made.json()
    assert (document["name"], document["media_type"], document["owner"]) == ("notes.md", "text/markdown", "bob")
    assert "text" not in document
    assert bob_api.get("documents").json() == {"documents": [document], "next_cursor": None}
    assert bob_api.get(f"documents/{document['id']}").json() == {**document, "text": NOTES["text"]}
    assert bob_api.delete(f"documents/{document['id']}").status_code == 204
    refusal(bob_api.get(f"documents/{document['id']}"), 404, "not_found")


def test_a_file_is_uploaded_as_a_form(bob_api):
    file = SimpleUploadedFile("report.pdf", pdf("The whale sings at night."), "application/pdf")
    form = {"file": file, "name": "March"}
    made = bob_api._client.post(f"{ROOT}documents", form, headers=bob_api.headers)
    assert made.status_code == 201, made.content
    assert (made.json()["name"], made.json()["pages"]) == ("March", 1)


def test_the_same_text_again_is_the_same_document(bob_api):
    first = bob_api.post("documents", NOTES).json()
    again = bob_api.post("documents", {**NOTES, "name": "copy.md"})
    assert (again.status_code, again.json()["id"]) == (200, first["id"])


def test_lists_have_pages_and_a_search(bob_api):
    for name in ("whales", "ships", "more whales"):
        bob_api.post("documents", {"name": name, "text": name})
    first = bob_api.get("documents?limit=2").json()
    assert [row["name"] for row in first["documents"]] == ["more whales", "ships"]
    rest = bob_api.get(f"documents?limit=2&cursor={first['next_cursor']}").json()
    assert ([row["name"] for row in rest["documents"]], rest["next_cursor"]) == (["whales"], None)
    assert len(bob_api.get("documents?text=WHALE").json()["documents"]) == 2
    refusal(bob_api.get("documents?cursor=x"), 400, "invalid_input")


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"name": "a", "text": " \n"}, 422, "no text"),
        ({"name": "", "text": "x"}, 400, "name"),
        ({"name": "/", "text": "x"}, 400, "name"),
        ({"text": "x"}, 400, "name"),
        ({"name": "a", "text": "x", "size": 1}, 400, "size"),
    ],
)
def test_what_cannot_be_a_document_is_refused_with_what_to_change(bob_api, body, status, words):
    assert words in refusal(bob_api.post("documents", body), status)["message"]


def test_a_form_without_a_file_and_a_broken_form_are_refused(bob_api):
    answer = bob_api._client.post(f"{ROOT}documents", {"name": "x"}, headers=bob_api.headers)
    assert "field file" in refusal(answer, 400, "invalid_input")["message"]
    broken = bob_api._client.generic(
        "POST", f"{ROOT}documents", b"x", content_type="multipart/form-data", headers=bob_api.headers
    )
    refusal(broken, 400, "invalid_input")


def test_a_viewer_reads_but_neither_uploads_nor_deletes(bob_api, carol_api, dave_api, alice_api):
    document = bob_api.post("documents", NOTES).json()
    assert carol_api.get(f"documents/{document['id']}").status_code == 200
    refusal(carol_api.post("documents", NOTES), 403, "not_allowed")
    refusal(dave_api.delete(f"documents/{document['id']}"), 403, "not_allowed")
    assert alice_api.delete(f"documents/{document['id']}").status_code == 204


def test_without_a_key_nothing_is_shown(anybody):
    refusal(anybody.get("documents"), 401)


def test_a_task_with_documents_shows_the_passages_it_was_given(bob_api, agent, node):
    document = bob_api.post("documents", NOTES).json()
    task = {"type": "generate", "input": "Why is the sea salt?", "document_ids": [document["id"]]}
    run = bob_api.post("tasks", {"agent_id": agent.name, "tasks": [task]}).json()
    (passage,) = run["tasks"][0]["passages"]
    assert (passage["number"], passage["document_id"], passage["heading"]) == (1, document["id"], "Sea")
    assert run["tasks"][0]["input"] == "Why is the sea salt?"


def test_a_document_that_does_not_exist_is_422(bob_api, agent, node):
    task = {"type": "generate", "input": "Why?", "document_ids": [99]}
    error = refusal(bob_api.post("tasks", {"agent_id": agent.name, "tasks": [task]}), 422, "unprocessable")
    assert error["detail"]["document"] == 99
    assert not Task.objects.exists()


def test_the_description_names_both_ways_to_upload(bob_api):
    schema = json.loads(bob_api._client.get("/api/openapi.json").content)
    content = schema["paths"]["/api/orchestration/documents"]["post"]["requestBody"]["content"]
    assert set(content) == {"application/json", "multipart/form-data"}
    assert Document.objects.count() == 0
