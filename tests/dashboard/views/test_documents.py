"""The pages about documents."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from orchestration.models import Document
from orchestration.services import documents

pytestmark = pytest.mark.django_db


@pytest.fixture
def sea(as_bob):
    text = "# Sea\n\nSalt water.\n\n# Sky\n\nBlue <b>air</b>."
    return documents.write(actor=as_bob, name="sea.md", text=text).document


@pytest.fixture
def at(client):
    """A browser of this person."""

    def login(user):
        client.force_login(user)
        return client

    return login


def file(name="a.txt", data=b"Some text."):
    return SimpleUploadedFile(name, data)


def test_the_list_shows_documents_and_offers_to_ask_about_them(at, bob, sea):
    page = at(bob).get(reverse("documents")).content.decode()
    assert "sea.md" in page
    assert f"{reverse('task-new')}?document={sea.pk}" in page


def test_an_empty_list_and_an_empty_search_say_different_things(at, bob, sea):
    assert "No document is called “whale”" in at(bob).get(reverse("documents"), {"q": "whale"}).content.decode()
    Document.objects.all().delete()
    assert "No documents yet" in at(bob).get(reverse("documents")).content.decode()


def test_long_lists_have_pages(at, bob, as_bob):
    for number in range(51):
        documents.write(actor=as_bob, name=f"n{number}.txt", text=f"text {number}")
    first = at(bob).get(reverse("documents"))
    assert len(first.context["documents"]) == 50
    rest = at(bob).get(f"{reverse('documents')}?{first.context['next_query']}")
    assert [row["name"] for row in rest.context["documents"]] == ["n0.txt"]


def test_several_files_are_uploaded_and_each_refusal_is_named(at, bob):
    answer = at(bob).post(reverse("document-upload"), {"file": [file(), file("b.pdf", b"%PDF-1.4 x")]}, follow=True)
    page = answer.content.decode()
    assert "1 document added." in page
    assert "b.pdf: This PDF is damaged" in page
    assert Document.objects.get().name == "a.txt"


def test_a_script_gets_the_document_back(at, bob):
    answer = at(bob).post(reverse("document-upload"), {"file": file()}, headers={"Accept": "application/json"})
    told = json.loads(answer.content)
    assert (told["document"]["name"], told["new"], told["message"]) == ("a.txt", True, "a.txt is ready.")
    again = at(bob).post(reverse("document-upload"), {"file": file()}, headers={"Accept": "application/json"})
    assert json.loads(again.content)["new"] is False


def test_nothing_to_upload_is_said(at, bob):
    answer = at(bob).post(reverse("document-upload"), headers={"Accept": "application/json"})
    assert answer.status_code == 400


def test_a_viewer_sees_everything_and_changes_nothing(at, carol, sea):
    page = at(carol).get(reverse("documents")).content.decode()
    assert "This needs the role operator" in page
    answer = at(carol).post(reverse("document-upload"), {"file": file()}, headers={"Accept": "application/json"})
    assert answer.status_code == 403
    at(carol).post(reverse("document-delete", args=[sea.pk]))
    assert Document.objects.exists()


def test_a_document_is_shown_as_its_passages_with_the_one_asked_for_marked(at, bob, sea):
    answer = at(bob).get(reverse("document", args=[sea.pk]), {"at": sea.text.index("# Sky")})
    page = answer.content.decode()
    assert [(passage.heading, here) for passage, here in answer.context["passages"]] == [("Sea", False), ("Sky", True)]
    assert page.count('id="at"') == 1
    assert "&lt;b&gt;air" in page


def test_a_long_document_has_pages_of_passages(at, bob, as_bob):
    text = "\n\n".join(f"# Part {number}\n\nWords." for number in range(100))
    long = documents.write(actor=as_bob, name="long.md", text=text).document
    first = at(bob).get(reverse("document", args=[long.pk]))
    assert (len(first.context["passages"]), first.context["before"]) == (60, None)
    rest = at(bob).get(reverse("document", args=[long.pk]), {"at": first.context["after"]})
    assert (len(rest.context["passages"]), rest.context["after"]) == (40, None)
    assert at(bob).get(reverse("document", args=[long.pk]), {"at": "x"}).status_code == 200


def test_a_document_that_does_not_exist_is_404(at, bob):
    assert at(bob).get(reverse("document", args=[99])).status_code == 404


def test_its_owner_deletes_a_document(at, bob, sea):
    answer = at(bob).post(reverse("document-delete", args=[sea.pk]))
    assert answer.url == reverse("documents")
    assert not Document.objects.exists()
