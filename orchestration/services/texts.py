"""What a file says, as text that can be kept: plain text and Markdown in any usual encoding, and PDF."""

import codecs
import json
import math
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import NamedTuple

from django.conf import settings

from orchestration.errors import PayloadTooLarge, TooManyWaiting, Unprocessable
from orchestration.policy.passages import PAGE_BREAK
from orchestration.services import pdf_pages

PLAIN, MARKDOWN, PDF = "text/plain", "text/markdown", "application/pdf"
TYPES = (PLAIN, MARKDOWN, PDF)
MARKDOWN_SUFFIXES = (".md", ".markdown", ".mdown", ".mkd")
LEAST_LETTERS = 20
"""A PDF with fewer in all its pages is pictures of text."""

_UNWANTED = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\ud800-\udfff]")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
PDFS_AT_ONCE = 2
"""Each may take a gigabyte of memory and a core."""

_readers = threading.BoundedSemaphore(PDFS_AT_ONCE)
_OFFICE = b"PK\x03\x04"
_MOST_CONTROL = 0.05
"""Of the characters of something that is text in an old encoding."""


class Text(NamedTuple):
    text: str
    media_type: str


def read(name: str, data: bytes) -> Text:
    """Raises Unprocessable, with what to do instead, for what has no text or cannot be read."""
    if data[:1024].lstrip().startswith(b"%PDF-"):
        return Text(_of_pdf(data), PDF)
    if data.startswith(_OFFICE):
        raise Unprocessable("This is an office document or an archive. Save it as PDF, text or Markdown.", field="file")
    text = cleaned(_decoded(data)).replace(PAGE_BREAK, "\n\n")
    return checked(text, MARKDOWN if name.lower().endswith(MARKDOWN_SUFFIXES) else PLAIN)


def checked(text: str, media_type: str) -> Text:
    """Raises Unprocessable when it is empty, PayloadTooLarge when it is too long."""
    if not text.strip():
        raise Unprocessable("There is no text in it.", field="file")
    if len(text) > settings.DROVER_MAX_DOCUMENT_CHARS:
        raise _too_long()
    return Text(text, media_type)


def cleaned(text: str) -> str:
    """Without characters that no text has and no database keeps; lines end in one character."""
    return _UNWANTED.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def _decoded(data: bytes) -> str:
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    strange = len(_UNWANTED.findall(text)) + text.count("�")
    if strange > _MOST_CONTROL * len(text) or "\0" in text:
        raise Unprocessable("This is no text. Documents are plain text, Markdown or PDF.", field="file")
    return text


def _too_long() -> PayloadTooLarge:
    most = settings.DROVER_MAX_DOCUMENT_CHARS
    return PayloadTooLarge(f"Its text has more than {most:,} characters. Split it.", field="file")


def _of_pdf(data: bytes) -> str:
    pages = [cleaned(page).replace(PAGE_BREAK, "\n").strip() for page in _pages(data)]
    if sum(map(len, pages)) < LEAST_LETTERS:
        raise Unprocessable(
            "This PDF holds no text: its pages are pictures. Run text recognition (OCR) over it first.", field="file"
        )
    return checked(PAGE_BREAK.join(pages), PDF).text


def _pages(data: bytes) -> list[str]:
    limit = settings.DROVER_PDF_TIME.total_seconds()
    bounds = (settings.DROVER_MAX_DOCUMENT_PAGES, settings.DROVER_MAX_DOCUMENT_CHARS, math.ceil(limit))
    command = [sys.executable, "-I", str(Path(pdf_pages.__file__)), *map(str, bounds)]
    if not _readers.acquire(timeout=limit):
        raise TooManyWaiting("Other PDFs are being read. Try again in a moment.", retry_after=settings.DROVER_PDF_TIME)
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired as error:
        raise Unprocessable(f"Reading this PDF takes longer than {limit:g} s. Split it.", field="file") from error
    finally:
        _readers.release()
    if done.returncode:
        raise Unprocessable("Reading this PDF takes too much time or memory. Save it anew, or split it.", field="file")
    answer = json.loads(done.stdout)
    if problem := answer.get("problem"):
        raise _in_words(problem)
    return list(answer["pages"])


def _in_words(problem: str) -> Unprocessable | PayloadTooLarge:
    match problem:
        case pdf_pages.ENCRYPTED:
            return Unprocessable("This PDF has a password. Save it without one.", field="file")
        case pdf_pages.PAGES:
            most = settings.DROVER_MAX_DOCUMENT_PAGES
            return PayloadTooLarge(f"This PDF has more than {most:,} pages. Split it.", field="file")
        case pdf_pages.TEXT:
            return _too_long()
    return Unprocessable("This PDF is damaged: it cannot be read. Save it anew.", field="file")
