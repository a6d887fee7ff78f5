"""What the page of a task shows of its documents and images."""

import base64

import pytest
from django.urls import reverse

from dashboard.papers import images_of, papers, picture
from orchestration.models import Task
from orchestration.services import documents

pytestmark = pytest.mark.django_db


def test_passages_lead_to_their_place_in_the_document(as_bob, submit):
    document = documents.write(actor=as_bob, name="sea.md", text="# Sea\n\nSalt.\n\n# Sky\n\nBlue.").document
    task = submit("Why?", document_ids=[document.pk]).tasks.get()
    shown = papers(task)
    assert [(item["number"], item["origin"]) for item in shown["passages"]] == [
        (1, "sea.md, “Sea”"),
        (2, "sea.md, “Sky”"),
    ]
    assert shown["passages"][1]["link"] == f"{reverse('document', args=[document.pk])}?at=14#at"
    assert shown["passages_note"] == "All 2 passages fit."
    assert "[1] sea.md, “Sea”" in shown["quoted"]


def test_passages_of_a_deleted_document_lead_nowhere(as_bob, submit):
    document = documents.write(actor=as_bob, name="sea.md", text="Salt.").document
    task = submit("Why?", document_ids=[document.pk]).tasks.get()
    documents.delete(actor=as_bob, document_id=document.pk)
    assert [item["link"] for item in papers(task)["passages"]] == [""]


def test_images_of_messages_are_counted_with_the_others():
    task = Task(images=["a"], messages=[{"role": "user", "content": "x", "images": ["b", "c"]}])
    assert list(images_of(task)) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a...", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
    ],
)
def test_pictures_are_known_by_their_first_bytes(data, kind):
    assert picture(base64.b64encode(data).decode()) == (data, kind)


@pytest.mark.parametrize("text", ["not base64!", base64.b64encode(b"<html>").decode()])
def test_anything_else_is_no_picture(text):
    assert picture(text) is None


def test_the_page_of_a_task_shows_its_passages_and_images(client, carol, submit):
    image = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
    task = submit("Why?", context=[{"text": "Salt <i>water</i>.", "name": "sea"}], images=[image]).tasks.get()
    client.force_login(carol)
    page = client.get(reverse("task", args=[task.pk])).content.decode()
    assert 'id="passage-1"' in page
    assert "Salt &lt;i&gt;water&lt;/i&gt;." in page
    assert reverse("task-image", args=[task.pk, 0]) in page
