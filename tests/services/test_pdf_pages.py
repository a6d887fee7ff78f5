"""The script that reads a PDF in a process of its own."""

import json
import subprocess
import sys

from orchestration.services import pdf_pages
from tests.services.pdfs import locked, pdf


def said(data: bytes, *arguments: str) -> dict:
    command = [sys.executable, "-I", pdf_pages.__file__, *(arguments or ("10", "1000", "20"))]
    done = subprocess.run(command, input=data, capture_output=True, check=True)
    assert done.stderr == b""
    return json.loads(done.stdout)


def test_the_pages_are_written_in_their_order():
    assert said(pdf("One.", "Two.")) == {"pages": ["One.", "Two."]}


def test_what_is_wrong_is_said_in_a_word():
    assert said(b"%PDF-1.4 nothing") == {"problem": pdf_pages.DAMAGED}
    assert said(locked(pdf("One."), "secret")) == {"problem": pdf_pages.ENCRYPTED}
    assert said(pdf("One.", "Two."), "1", "1000", "20") == {"problem": pdf_pages.PAGES}
    assert said(pdf("One.", "Two."), "10", "5", "20") == {"problem": pdf_pages.TEXT}


def test_in_this_process_the_same_pages_are_read():
    assert pdf_pages.pages_of(pdf("One."), most_pages=1, most_chars=10) == ["One."]
