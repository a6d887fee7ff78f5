"""Documents: uploaded once, seen by all, deleted by whom they belong to."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from orchestration.errors import InvalidInput, NotAllowed, NotFound, PayloadTooLarge
from orchestration.models import AuditEntry, Document
from orchestration.services import documents
from tests.services.pdfs import pdf

pytestmark = pytest.mark.django_db


def upload(actor, name="whales.md", data=b"# Whales\n\nThey sing."):
    return documents.upload(actor=actor, name=name, file=SimpleUploadedFile(name, data))


def test_a_file_is_kept_as_its_text(as_bob):
    document, new = upload(as_bob)
    assert new
    assert (document.name, document.media_type, document.text) == (
        "whales.md",
        "text/markdown",
        "# Whales\n\nThey sing.",
    )
    assert (document.size_bytes, document.characters, document.tokens, document.pages) == (20, 20, 6, None)
    assert document.owner_id == as_bob.user_id
    assert AuditEntry.objects.get(action="document.uploaded").object_name == "whales.md"


def test_a_pdf_knows_its_pages(as_bob):
    document = upload(as_bob, "r.pdf", pdf("The whale sings at night.", "It eats krill.")).document
    assert (document.pages, document.media_type) == (2, "application/pdf")


def test_the_same_text_of_the_same_person_is_kept_once(as_bob, as_alice):
    first = upload(as_bob).document
    again = upload(as_bob, "copy.md")
    assert (again.document.pk, again.new) == (first.pk, False)
    assert upload(as_alice).new
    assert AuditEntry.objects.filter(action="document.uploaded").count() == 2


def test_a_text_is_written_without_a_file(as_bob):
    document = documents.write(actor=as_bob, name="notes", text="# One\r\nTwo\x00", markdown=True).document
    assert (document.media_type, document.text) == ("text/markdown", "# One\nTwo")
    assert documents.write(actor=as_bob, name="notes.txt", text="# One").document.media_type == "text/plain"


def test_a_file_that_is_too_large_is_refused_before_it_is_read(as_bob, settings):
    settings.DROVER_MAX_DOCUMENT_BYTES = 1024
    with pytest.raises(PayloadTooLarge, match="at most"):
        upload(as_bob, data=b"x" * 1025)


@pytest.mark.parametrize(
    ("given", "kept"), [("C:\\docs\\a b.txt", "a b.txt"), ("/tmp/../n\not.md", "n ot.md"), ("x" * 300, "x" * 199 + "…")]
)
def test_a_name_is_the_last_part_of_a_path_in_one_line(as_bob, given, kept):
    assert documents.write(actor=as_bob, name=given, text="text").document.name == kept


def test_a_document_needs_a_name(as_bob):
    with pytest.raises(InvalidInput, match="name"):
        documents.write(actor=as_bob, name=" / ", text="text")


def test_a_viewer_uploads_and_deletes_nothing(as_carol, as_bob):
    with pytest.raises(NotAllowed):
        upload(as_carol)
    document = upload(as_bob).document
    with pytest.raises(NotAllowed):
        documents.delete(actor=as_carol, document_id=document.pk)


def test_its_owner_and_a_maintainer_may_delete_a_document(as_bob, as_alice):
    first, second = upload(as_bob).document, upload(as_bob, data=b"other").document
    documents.delete(actor=as_bob, document_id=first.pk)
    documents.delete(actor=as_alice, document_id=second.pk)
    assert not Document.objects.exists()
    with pytest.raises(NotFound):
        documents.delete(actor=as_bob, document_id=first.pk)
