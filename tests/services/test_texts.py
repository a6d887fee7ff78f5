"""What files say: encodings, and PDFs that are locked, scanned, damaged or hostile."""

import threading
from datetime import timedelta

import pytest

from orchestration.errors import PayloadTooLarge, TooManyWaiting, Unprocessable
from orchestration.services import texts
from orchestration.services.texts import MARKDOWN, PDF, PLAIN, cleaned, read
from tests.services.pdfs import from_contents, locked, pdf

LONG = "The whale sings at night."


@pytest.mark.parametrize(
    "data",
    [
        "Grüße, 鲸鱼".encode(),
        "Grüße, 鲸鱼".encode("utf-8-sig"),
        "Grüße, 鲸鱼".encode("utf-16"),
        b"\xfe\xff" + "Grüße, 鲸鱼".encode("utf-16-be"),
    ],
)
def test_text_is_read_in_the_encoding_it_has(data):
    assert read("notes.txt", data) == ("Grüße, 鲸鱼", PLAIN)


def test_old_western_text_is_read_too():
    assert read("notes.txt", "Grüße aus Köln".encode("cp1252")).text == "Grüße aus Köln"


def test_markdown_is_known_by_its_name():
    assert read("README.MD", b"# Hello").media_type == MARKDOWN


def test_what_no_database_keeps_is_left_out_and_lines_end_in_one_way():
    assert cleaned("a\x00b\r\nc\rd\x07\te") == "ab\nc\nd\te"
    assert read("a.txt", b"one\x0ctwo\x00").text == "one\n\ntwo"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no text"),
        (b" \n\x00 ", "no text"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\xff\xfe", "no text. Documents are"),
        (b"PK\x03\x04word/document.xml", "office document"),
    ],
)
def test_what_is_no_text_is_refused_with_what_to_do(data, words):
    with pytest.raises(Unprocessable, match=words):
        read("file", data)


def test_a_text_that_is_too_long_is_refused(settings):
    settings.DROVER_MAX_DOCUMENT_CHARS = 10
    with pytest.raises(PayloadTooLarge, match="more than 10 characters"):
        read("notes.txt", b"12345678901")


def test_a_pdf_is_read_page_by_page():
    found = read("report.pdf", pdf(LONG, "It eats krill.", squeeze=True))
    assert found == (f"{LONG}\fIt eats krill.", PDF)


def test_a_pdf_is_known_by_its_first_bytes_whatever_it_is_called():
    assert read("report.txt", pdf(LONG)).media_type == PDF


def test_a_pdf_with_a_password_is_refused_and_one_without_need_of_it_is_read():
    with pytest.raises(Unprocessable, match="password"):
        read("a.pdf", locked(pdf(LONG), "secret"))
    assert read("a.pdf", locked(pdf(LONG), "")).text == LONG


def test_a_scanned_pdf_is_refused_with_the_way_out():
    with pytest.raises(Unprocessable, match="OCR"):
        read("scan.pdf", pdf("", ""))


@pytest.mark.parametrize("data", [b"%PDF-1.4\n", b"%PDF-1.4\n" + b"\xff" * 400, pdf(LONG)[:200]])
def test_a_damaged_pdf_is_refused(data):
    with pytest.raises(Unprocessable, match=r"damaged|no text"):
        read("a.pdf", data)


def test_a_pdf_with_too_many_pages_is_refused(settings):
    settings.DROVER_MAX_DOCUMENT_PAGES = 2
    with pytest.raises(PayloadTooLarge, match="more than 2 pages"):
        read("a.pdf", pdf(LONG, LONG, LONG))


def test_a_pdf_with_too_much_text_is_refused(settings):
    settings.DROVER_MAX_DOCUMENT_CHARS = 30
    with pytest.raises(PayloadTooLarge, match="more than 30 characters"):
        read("a.pdf", pdf(LONG, LONG))


def test_a_small_file_that_unpacks_to_a_huge_page_is_refused():
    bomb = from_contents(b"BT " + b" " * 400_000_000 + b" ET", squeeze=True)
    assert len(bomb) < 1_000_000
    with pytest.raises(Unprocessable):
        read("bomb.pdf", bomb)


def test_a_pdf_that_takes_too_long_is_refused(settings):
    settings.DROVER_PDF_TIME = timedelta(milliseconds=20)
    with pytest.raises(Unprocessable, match="longer than"):
        read("slow.pdf", pdf(LONG))


def test_no_more_pdfs_are_read_at_once_than_the_machine_can_hold(settings, monkeypatch):
    settings.DROVER_PDF_TIME = timedelta(seconds=0.2)
    monkeypatch.setattr(texts, "_readers", threading.BoundedSemaphore(1))
    with texts._readers, pytest.raises(TooManyWaiting, match="Other PDFs"):
        read("a.pdf", pdf(LONG))
    settings.DROVER_PDF_TIME = timedelta(seconds=30)
    assert read("a.pdf", pdf(LONG)).text == LONG
